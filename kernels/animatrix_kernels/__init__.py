"""Accelerator kernels for video diffusion transformers: imports jax and nothing of ours."""
