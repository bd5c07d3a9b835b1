"""Pallas Mosaic GPU over whole tokens: the loop that the fused kernels share on Hopper.

A block is one warpgroup. It takes some tokens one after the other and holds every channel of one
in registers, so that one pass over memory is enough for statistics, products and sums.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.experimental import pallas as pl
from jax.experimental.pallas import mosaic_gpu as plgpu
from jaxtyping import Array, Float

type Ref = Any
"""What Pallas hands a kernel for an array in memory."""

THREADS = 128
TOKENS = 16
"""Tokens that one block takes: what is summed over tokens is written once for all of them."""


def over_rows(
    rows: Callable[..., tuple[Array, ...]],
    tokens: tuple[Float[Array, "B L d"], ...],
    channels: tuple[Float[Array, "B L d"], ...],
    out_dtypes: tuple[jnp.dtype, ...],
    sums: int,
    interpret: bool | object,
    semantics: plgpu.LoweringSemantics = plgpu.LoweringSemantics.Warpgroup,
) -> tuple[Array, ...]:
    """Map a function over tokens; `tpu_rows.over_rows` with one token [d] at a time.

    The width is a multiple of 128; `channels` is [B, 1, d] or [B, L, d].
    """
    batch, length, width = tokens[0].shape
    blocks = pl.cdiv(length, TOKENS)

    def body(*refs: Ref) -> None:
        inputs, outputs = refs[: len(tokens) + len(channels)], refs[len(tokens) + len(channels) :]
        sample, block = jax.lax.axis_index("sample"), jax.lax.axis_index("block")

        def token(place: Array, so_far: list[Array]) -> list[Array]:
            values = [load(ref.at[sample, 0 if ref.shape[1] == 1 else place]) for ref in inputs]
            results = rows(*values)
            for ref, result in zip(outputs[: len(out_dtypes)], results, strict=False):
                ref.at[sample, place][...] = result.astype(ref.dtype)
            return [
                total + part for total, part in zip(so_far, results[len(out_dtypes) :], strict=True)
            ]

        totals = for_tokens(length, token, [zeros(width)] * sums)
        for ref, total in zip(outputs[len(out_dtypes) :], totals, strict=True):
            ref.at[sample, block][...] = total

    outs = [jax.ShapeDtypeStruct((batch, length, width), dtype) for dtype in out_dtypes]
    outs += [jax.ShapeDtypeStruct((batch, blocks, width), jnp.float32)] * sums
    results = launch(body, tuple(outs), length, interpret, semantics, batch)(*tokens, *channels)
    whole, parts = results[: len(out_dtypes)], results[len(out_dtypes) :]
    return *whole, *(part.sum(1, keepdims=True) for part in parts)


def launch(
    body: Callable[..., None],
    out_type: object,
    rows: int,
    interpret: bool | object,
    semantics: plgpu.LoweringSemantics,
    samples: int = 1,
) -> Callable[..., Array]:
    """Return a kernel of one warpgroup a block, and a block for every so many of the rows."""
    return plgpu.kernel(
        body,
        out_type=out_type,
        grid=(samples, pl.cdiv(rows, TOKENS)),
        grid_names=("sample", "block"),
        compiler_params=plgpu.CompilerParams(lowering_semantics=semantics),
        interpret=_interpreter(interpret),
    )


def for_tokens[State](rows: int, token: Callable[..., State], start: State) -> State:
    """Call a function for each of a block's tokens, with what it returned for the one before."""
    first = jax.lax.axis_index("block") * TOKENS
    number = jnp.minimum(TOKENS, rows - first)
    return jax.lax.fori_loop(0, number, lambda n, state: token(first + n, state), start)


def load(ref: Ref) -> Array:
    """Read a row of global memory into registers, spread over the warpgroup's threads."""
    return plgpu.load(ref, layout=_layout(ref.shape[0]))


def zeros(width: int) -> Float[Array, " {width}"]:
    """Return float32 zeros spread over the warpgroup's threads as a row that was read is."""
    return plgpu.layout_cast(jnp.zeros((width,), jnp.float32), _layout(width))


def _layout(width: int) -> Any:
    """Return the layout of a row: the same for every type, so that rows of two types go together.

    A thread reads up to four neighbours at a time.
    """
    together = next(n for n in (4, 2, 1) if width % (n * THREADS) == 0)
    return plgpu.Layout.WG_STRIDED((width,), together)


def _interpreter(interpret: bool | object) -> object | None:
    """Return Pallas' interpreter parameters: the ones given, the default for True, None to run."""
    return plgpu.InterpretGPUParams() if interpret is True else interpret or None
