"""How attention is split over a mesh: batch and heads freely, queries by rows, keys never.

A device that holds some of the queries gets all the keys: right, but a gather. Keys split over the
sequence, with the pieces merged by the log-sum-exp, are the business of whoever calls
`flash_attention(..., return_lse=True)` inside a `shard_map`. `propagated` says whether XLA itself
splits a kernel, which it cannot on a TPU (see `animatrix_kernels.partition`).
"""

import functools
from collections.abc import Callable

import jax

from animatrix_kernels.partition import Rule, per_shard

KEYS = ("bkhd", "bkhd")
LENGTHS = {True: ("b",), False: ()}


@functools.lru_cache(maxsize=64)
def split_forward(
    forward: Callable[..., tuple[jax.Array, jax.Array]],
    scale: float,
    masked: bool,
    propagated: bool,
) -> Callable[..., tuple[jax.Array, ...]]:
    """Return a forward pass as a function of q, k, v and, where `masked`, of the key counts."""

    def kernel(
        q: jax.Array, k: jax.Array, v: jax.Array, *lengths: jax.Array
    ) -> tuple[jax.Array, ...]:
        return tuple(forward(q, k, v, lengths[0] if lengths else None, scale))

    operands = ("bqhd", *KEYS, *LENGTHS[masked])
    rule = Rule(operands, ("bqhd", "bqh"), whole="kd")
    return per_shard(kernel, rule, propagated=propagated)


@functools.lru_cache(maxsize=64)
def split_backward(
    backward: Callable[..., tuple[jax.Array, jax.Array, jax.Array]],
    masked: bool,
    propagated: bool,
) -> Callable[..., tuple[jax.Array, ...]]:
    """Return a backward pass of (q, k, v, out, lse, d_out, d_lse, counts) to dq, dk, dv.

    Each device's dk and dv are those of its queries: they are summed over the devices that share
    the keys, in the type that the backward pass gives them.
    """

    def kernel(*arrays: jax.Array) -> tuple[jax.Array, ...]:
        return tuple(backward(*arrays[:7], arrays[7] if masked else None))

    operands = ("bqhd", *KEYS, "bqhd", "bqh", "bqhd", "bqh", *LENGTHS[masked])
    rule = Rule(operands, ("bqhd", *KEYS), whole="kd")
    return per_shard(kernel, rule, propagated=propagated)
