"""Small kernels of a diffusion transformer: norms with what stands around them, a file each."""
