"""Attention: every backend of ours beside `jax.nn.dot_product_attention`, forward and backward.

    make bench B=kernels/benchmarks/attention.py

The shapes are those of the pocket model on a CPU, and of Wan 2.2 on an accelerator.
"""

import functools
import time
from collections.abc import Callable

import jax
import jax.numpy as jnp

from animatrix_kernels.flash_attention import flash_attention
from animatrix_kernels.flash_attention.api import BACKENDS

SHAPES = {
    "cpu": ((32, 80, 4, 48), (2, 1024, 4, 64), (1, 4096, 4, 64)),
    "accelerator": ((1, 4096, 40, 128), (1, 16384, 40, 128), (1, 32768, 40, 128)),
}
REPEATS = 5


def seconds(function: Callable[..., object], *arguments: jax.Array) -> float:
    """The fastest of a few runs of a compiled function, in seconds."""
    compiled = jax.jit(function)
    jax.block_until_ready(compiled(*arguments))
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        jax.block_until_ready(compiled(*arguments))
        times.append(time.perf_counter() - start)
    return min(times)


def gradients(attend: Callable[..., jax.Array]) -> Callable[..., object]:
    """The gradients of the summed output for q, k and v."""
    return jax.grad(lambda *qkv: attend(*qkv).astype(jnp.float32).sum(), (0, 1, 2))


def main() -> None:
    """Prints one row a shape and backend: milliseconds, and TFLOP/s of the matrix products."""
    on_cpu = jax.default_backend() == "cpu"
    dtype = jnp.float32 if on_cpu else jnp.bfloat16
    rivals: dict[str, Callable[..., jax.Array]] = {
        name: functools.partial(flash_attention, backend=name) for name in BACKENDS
    }
    rivals["jax.nn"] = jax.nn.dot_product_attention
    print(f"{jax.devices()[0].device_kind}, {jnp.dtype(dtype).name}; fastest of {REPEATS}")
    print(f"{'B×L×H×D':>18} {'backend':>8} {'forward ms':>11} {'TFLOP/s':>8} {'both ms':>8}")
    for shape in SHAPES["cpu" if on_cpu else "accelerator"]:
        keys = jax.random.split(jax.random.key(0), 3)
        qkv = [jax.random.normal(key, shape, dtype) for key in keys]
        batch, length, heads, dim = shape
        work = 4 * batch * heads * length**2 * dim
        for name, attend in rivals.items():
            if name == "jax.nn" and 4 * batch * heads * length**2 > 2**34:
                continue  # it would hold the whole matrix of logits
            forward, both = seconds(attend, *qkv), seconds(gradients(attend), *qkv)
            print(
                f"{'×'.join(map(str, shape)):>18} {name:>8} {1e3 * forward:11.2f} "
                f"{work / forward / 1e12:8.3f} {1e3 * both:8.2f}"
            )


if __name__ == "__main__":
    main()
