"""Attention over [batch, length, heads, head_dim], one function for every backend."""

from animatrix_kernels.flash_attention.api import flash_attention, flash_attention_gradients

__all__ = ["flash_attention", "flash_attention_gradients"]
