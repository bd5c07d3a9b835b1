"""Pallas for TPU over whole tokens: the loop that the fused kernels share.

A step holds a block of tokens in on-chip memory, every channel of them, so that one pass over
memory is enough for statistics, products and sums.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax.experimental import pallas as pl
from jaxtyping import Array, Float

LANES = 128
ELEMENTS = 2**18
"""Elements of one array in a block: 1 MiB in float32; half a dozen arrays, twice each, fit in."""

SUBLANES = 8
TOGETHER = 16
"""Tokens computed at a time: the sublanes of a bfloat16 tile. More would not fit in registers."""


def over_rows(
    rows: Callable[..., tuple[Array, ...]],
    tokens: tuple[Float[Array, "B L _"], ...],
    channels: tuple[Float[Array, "B L d"], ...],
    out_dtypes: tuple[jnp.dtype, ...],
    sums: int,
    interpret: bool,
) -> tuple[Array, ...]:
    """Map a function over blocks of tokens.

    Args:
      rows: takes [R, width] of `tokens` and [1 or R, d] of `channels`; returns float32 [R, d],
        first the outputs', then those to be summed over the tokens.
      tokens: by token; a first dim of 1 is shared by the batch.
      channels: factors of channels: [1 or B, 1, d] for all tokens alike, or [B, L, d].
      out_dtypes: type of every output [B, L, d].
      sums: how many float32 sums [B, 1, d] follow.
      interpret: whether Pallas' interpreter runs it.
    """
    batch, length, width = tokens[0].shape
    fitting = max(1, ELEMENTS // width // TOGETHER)
    groups = min(fitting, pl.cdiv(length, TOGETHER))
    block = groups * TOGETHER

    def spec(array: Array | jax.ShapeDtypeStruct) -> pl.BlockSpec:
        shared, fixed = array.shape[0] == 1, array.shape[1] == 1 != length
        return pl.BlockSpec(
            (1, 1 if fixed else block, array.shape[2]),
            lambda b, i: (0 if shared else b, 0 if fixed else i, 0),
        )

    def kernel(*refs: jax.Array) -> None:
        inputs, outputs = refs[: len(tokens) + len(channels)], refs[len(tokens) + len(channels) :]
        first = pl.program_id(1) * block

        def group(number: Array, so_far: list[Array]) -> list[Array]:
            own = pl.ds(pl.multiple_of(number * TOGETHER, TOGETHER), TOGETHER)
            results = rows(*(ref[0] if ref.shape[1] == 1 else ref[0, own] for ref in inputs))
            for ref, result in zip(outputs[: len(out_dtypes)], results, strict=False):
                ref[0, own] = result.astype(ref.dtype)
            lines = jax.lax.broadcasted_iota(jnp.int32, (TOGETHER, 1), 0)
            # Past the end of the last block stands anything at all.
            counts = first + number * TOGETHER + lines < length
            parts = [jnp.where(counts, result, 0.0) for result in results[len(out_dtypes) :]]
            return [
                total + part[:SUBLANES] + part[SUBLANES:]
                for total, part in zip(so_far, parts, strict=True)
            ]

        start = [jnp.zeros((SUBLANES, width), jnp.float32)] * sums
        totals = jax.lax.fori_loop(0, groups, group, start)
        for ref, total in zip(outputs[len(out_dtypes) :], totals, strict=True):
            part = jnp.sum(total, 0, keepdims=True)
            ref[0] = jnp.where(first == 0, part, ref[0] + part)

    outs = [jax.ShapeDtypeStruct((batch, length, width), dtype) for dtype in out_dtypes]
    outs += [jax.ShapeDtypeStruct((batch, 1, width), jnp.float32)] * sums
    results = pl.pallas_call(
        kernel,
        grid=(batch, pl.cdiv(length, block)),
        in_specs=[spec(array) for array in (*tokens, *channels)],
        out_specs=[spec(out) for out in outs[: len(out_dtypes)]]
        + [pl.BlockSpec((1, 1, width), lambda b, i: (b, 0, 0))] * sums,
        out_shape=outs,
        interpret=interpret,
    )(*tokens, *channels)
    return tuple(results)
