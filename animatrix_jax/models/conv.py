"""Causal 3D convolution in the form that is fastest on the machine at hand.

Accelerators run one 3D convolution. On a CPU XLA's 3D convolution and the gradients of strided
ones are several times slower than the same mathematics written as a sum of 2D convolutions over
time shifts and as space-to-depth, so that form is taken there. The choice is made here only.

A clip may also come in chunks: where the variable collection `MEMORY` is mutable, each layer
keeps there the last frames of its input that the next chunk's first frames need.
"""

from functools import partial

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax import lax
from jaxtyping import Array, Float

Frames = Float[Array, "B T H W C"]

MEMORY = "cache"


def in_stream(module: nn.Module) -> bool:
    """Whether `module` is applied to a chunk of a clip rather than to the whole."""
    return module.is_mutable_collection(MEMORY) and not module.is_initializing()


def _conv2d(x: jax.Array, kernel: jax.Array, padding: str = "SAME", stride: int = 1) -> jax.Array:
    dims = ("NHWC", "HWIO", "NHWC")
    return lax.conv_general_dilated(x, kernel, (stride,) * 2, padding, dimension_numbers=dims)


def _conv3d_native(x: jax.Array, kernel: jax.Array, before: int) -> jax.Array:
    height, width = kernel.shape[1:3]
    padding = ((before, 0), (height // 2,) * 2, (width // 2,) * 2)
    dims = ("NDHWC", "DHWIO", "NDHWC")
    return lax.conv_general_dilated(x, kernel, (1, 1, 1), padding, dimension_numbers=dims)


def _conv3d_summed(x: jax.Array, kernel: jax.Array, before: int) -> jax.Array:
    batch, frames, height, width, channels = x.shape
    taps = kernel.shape[0]
    frames += before - taps + 1
    wide = jnp.promote_types(x.dtype, jnp.float32)
    padded = jnp.pad(x.astype(wide), ((0, 0), (before, 0), (0, 0), (0, 0), (0, 0)))
    total = sum(
        _conv2d(
            padded[:, tap : tap + frames].reshape(batch * frames, height, width, channels),
            kernel[tap].astype(wide),
        )
        for tap in range(taps)
    )
    return jnp.asarray(total, x.dtype).reshape(batch, frames, height, width, kernel.shape[-1])


def causal_conv3d(
    x: Frames,
    kernel: Float[Array, "kt kh kw C D"],
    past: Float[Array, "B kt-1 H W C"] | None = None,
) -> Float[Array, "B T H W D"]:
    """Convolve frames with zero padding in space and `past` before the first frame, or zeros.

    Kernel sizes are odd; the output at frame t depends on frames up to t only (Wan's CausalConv3d).
    """
    before = kernel.shape[0] - 1
    if past is not None:
        x, before = jnp.concatenate([past, x], axis=1), 0
    native, summed = (partial(form, before=before) for form in (_conv3d_native, _conv3d_summed))
    return lax.platform_dependent(x, kernel, cpu=summed, default=native)


def _halve_native(x: jax.Array, kernel: jax.Array) -> jax.Array:
    padded = jnp.pad(x, ((0, 0), (0, 1), (0, 1), (0, 0)))
    return _conv2d(padded, kernel, "VALID", stride=2)


def _halve_folded(x: jax.Array, kernel: jax.Array) -> jax.Array:
    batch, height, width, channels = x.shape
    padded = jnp.pad(x, ((0, 0), (0, 2), (0, 2), (0, 0)))
    folded = padded.reshape(batch, height // 2 + 1, 2, width // 2 + 1, 2, channels)
    folded = folded.transpose(0, 1, 3, 2, 4, 5).reshape(batch, height // 2 + 1, width // 2 + 1, -1)
    wide = jnp.pad(kernel, ((0, 1), (0, 1), (0, 0), (0, 0)))
    wide = wide.reshape(2, 2, 2, 2, channels, -1).transpose(0, 2, 1, 3, 4, 5)
    return _conv2d(folded, wide.reshape(2, 2, 4 * channels, -1), "VALID")


def halve_space(
    x: Float[Array, "N H W C"], kernel: Float[Array, "3 3 C D"]
) -> Float[Array, "N H/2 W/2 D"]:
    """Stride-2 3×3 convolution, padded by one row and column at the end only (Wan's Resample)."""
    return lax.platform_dependent(x, kernel, cpu=_halve_folded, default=_halve_native)


class CausalConv(nn.Module):
    """A causal 3D convolution layer; `kernel` is (time, height, width).

    It computes in its input's float type, and in a stream continues from the chunk before.
    """

    features: int
    kernel: tuple[int, int, int] = (3, 3, 3)
    zero: bool = False

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Map [B, T, H, W, C] to [B, T, H, W, features]."""
        init = nn.initializers.zeros if self.zero else nn.initializers.lecun_normal()
        kernel = self.param("kernel", init, (*self.kernel, x.shape[-1], self.features))
        bias = self.param("bias", nn.initializers.zeros, (self.features,))
        kernel, bias = kernel.astype(x.dtype), bias.astype(x.dtype)
        if self.kernel == (1, 1, 1):
            return x @ kernel[0, 0, 0] + bias
        return causal_conv3d(x, kernel, self._past(x)) + bias

    def _past(self, x: jax.Array) -> jax.Array | None:
        """The frames before `x` in a stream; the last ones now stand there for the next chunk."""
        kept = self.kernel[0] - 1
        if kept == 0 or not in_stream(self):
            return None
        batch, _, *rest = x.shape
        memory = self.variable(MEMORY, "last", jnp.zeros, (batch, kept, *rest), x.dtype)
        past = memory.value
        memory.value = jnp.concatenate([past, x], axis=1)[:, -kept:]
        return past
