"""`qk_norm_rope` in Pallas Mosaic GPU for Hopper, bfloat16: one pass over memory.

A warpgroup holds a whole token in registers. A channel pair is one 32-bit word, read as such, so
that the rotation stays inside a thread; a token is a row of chunks of 128 words, over which the
table of angles repeats.
"""

import functools
from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import pallas as pl
from jax.experimental.pallas import mosaic_gpu as plgpu
from jaxtyping import Array, Float, UInt32

from animatrix_kernels.fused.hopper_rows import TOKENS, Ref, for_tokens, launch, load, zeros

type Heads = Float[Array, "B L H D"]
type Halves = tuple[Float[Array, " W"], Float[Array, " W"]]

WORDS = 128
"""Words in a chunk: one a thread."""

HIGH = np.uint32(0xFFFF0000)

INFINITY, NAN = np.uint32(0x7F800000), np.uint32(0x7FC00000)
"""Bits of float32."""


def forward(
    x: Heads,
    gain: Float[Array, "H D"],
    angles: tuple[Array, ...],
    eps: float,
    interpret: bool | object,
    semantics: plgpu.LoweringSemantics = plgpu.LoweringSemantics.Warpgroup,
) -> Heads:
    """Return the normed and rotated heads (see `qk_norm_rope.qk_norm_rope`)."""
    words, (even, odd), tables = _words(x), _halves(gain), _tables(angles)
    rows, length = words.shape[0], x.shape[1]
    chunks = words.shape[1] // WORDS

    def body(x_ref: Ref, even_ref: Ref, odd_ref: Ref, *rest: Ref) -> None:
        *table_refs, out_ref = rest
        gains = [(_chunk(even_ref, c), _chunk(odd_ref, c)) for c in range(chunks)]

        def token(row: Array, _: None) -> None:
            halves = [_unpack(_chunk(x_ref.at[row], c)) for c in range(chunks)]
            inverse = _inverse_rms(halves, eps)
            turn = _turn(table_refs, row, length)
            for c, ((a, b), (g_a, g_b)) in enumerate(zip(halves, gains, strict=True)):
                out = turn(a * inverse * g_a, b * inverse * g_b)
                out_ref.at[row, pl.ds(c * WORDS, WORDS)][...] = _pack(*out)

        for_tokens(rows, token, None)

    out = launch(body, jax.ShapeDtypeStruct(words.shape, jnp.uint32), rows, interpret, semantics)(
        words, even, odd, *tables
    )
    return _heads(out, x)


def backward(
    x: Heads,
    gain: Float[Array, "H D"],
    d_out: Heads,
    angles: tuple[Array, ...],
    eps: float,
    interpret: bool | object,
    semantics: plgpu.LoweringSemantics = plgpu.LoweringSemantics.Warpgroup,
) -> tuple[Heads, Float[Array, "H D"]]:
    """Return dx and the gradient of the gain, which every block sums over its own tokens."""
    words, (even, odd), tables = _words(x), _halves(gain), _tables(angles)
    rows, length = words.shape[0], x.shape[1]
    chunks = words.shape[1] // WORDS
    scale = 1.0 / (2 * words.shape[1])

    def body(x_ref: Ref, d_ref: Ref, even_ref: Ref, odd_ref: Ref, *rest: Ref) -> None:
        *table_refs, dx_ref, sums_ref = rest
        gains = [(_chunk(even_ref, c), _chunk(odd_ref, c)) for c in range(chunks)]

        def token(row: Array, sums: list[Halves]) -> list[Halves]:
            halves = [_unpack(_chunk(x_ref.at[row], c)) for c in range(chunks)]
            turn = _turn(table_refs, row, length, back=True)
            turned = [turn(*_unpack(_chunk(d_ref.at[row], c))) for c in range(chunks)]
            inverse = _inverse_rms(halves, eps)
            along = [
                a * d_a * g_a + b * d_b * g_b
                for (a, b), (d_a, d_b), (g_a, g_b) in zip(halves, turned, gains, strict=True)
            ]
            pull = inverse * inverse * jnp.sum(functools.reduce(jnp.add, along)) * scale
            added = []
            for c in range(chunks):
                (a, b), (d_a, d_b), (g_a, g_b) = halves[c], turned[c], gains[c]
                d_x = (inverse * (d_a * g_a - a * pull), inverse * (d_b * g_b - b * pull))
                dx_ref.at[row, pl.ds(c * WORDS, WORDS)][...] = _pack(*d_x)
                added.append((sums[c][0] + d_a * a * inverse, sums[c][1] + d_b * b * inverse))
            return added

        nothing = zeros(WORDS)
        sums = for_tokens(rows, token, [(nothing, nothing)] * chunks)
        block = jax.lax.axis_index("block")
        for c, halves in enumerate(sums):
            for half, values in enumerate(halves):
                sums_ref.at[block, half, pl.ds(c * WORDS, WORDS)][...] = values

    blocks = pl.cdiv(rows, TOKENS)
    outs = (
        jax.ShapeDtypeStruct(words.shape, jnp.uint32),
        jax.ShapeDtypeStruct((blocks, 2, words.shape[1]), jnp.float32),
    )
    d_words, sums = launch(body, outs, rows, interpret, semantics)(
        words, _words(d_out), even, odd, *tables
    )
    return _heads(d_words, x), sums.sum(0).T.reshape(gain.shape)


def _turn(
    tables: Sequence[Ref], row: Array, length: int, back: bool = False
) -> Callable[[Array, Array], Halves]:
    """Return the rotation of one token's pairs, or the rotation back."""
    if not tables:
        return lambda a, b: (a, b)
    place = jax.lax.rem(row, jnp.int32(length))
    cos, sin = (_chunk(table.at[place], 0) for table in tables)
    sin = -sin if back else sin
    return lambda a, b: (a * cos - b * sin, a * sin + b * cos)


def _inverse_rms(halves: list[Halves], eps: float) -> Array:
    squares = functools.reduce(jnp.add, [a * a + b * b for a, b in halves])
    return jax.lax.rsqrt(jnp.sum(squares) * (0.5 / (len(halves) * WORDS)) + eps)


def _chunk(ref: Ref, number: int) -> Array:
    """Read a chunk of words of a row in global memory, one a thread."""
    return load(ref.at[pl.ds(number * WORDS, WORDS)])


def _unpack(words: UInt32[Array, " W"]) -> Halves:
    """Return the float32 values of the bfloat16 pairs in words: low half first."""
    as_float = functools.partial(jax.lax.bitcast_convert_type, new_dtype=jnp.float32)
    return as_float(words << np.uint32(16)), as_float(words & HIGH)


def _pack(low: Float[Array, " W"], high: Float[Array, " W"]) -> UInt32[Array, " W"]:
    """Round to bfloat16, half to even, and put pairs into words; what is not a number stays none.

    The GPU's own, 0x7FFFFFFF, would round up into minus zero.
    """

    def rounded(x: Array) -> Array:
        bits = jax.lax.bitcast_convert_type(x, jnp.uint32)
        up = bits + np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1))
        return jnp.where((bits & np.uint32(0x7FFFFFFF)) > INFINITY, NAN, up)

    return (rounded(low) >> np.uint32(16)) | (rounded(high) & HIGH)


def _words(x: Heads) -> UInt32[Array, "N W"]:
    pairs = x.reshape(x.shape[0] * x.shape[1], -1, 2)
    return jax.lax.bitcast_convert_type(pairs, jnp.uint32)


def _heads(words: UInt32[Array, "N W"], like: Heads) -> Heads:
    return jax.lax.bitcast_convert_type(words, like.dtype).reshape(like.shape)


def _halves(gain: Float[Array, "H D"]) -> Halves:
    pairs = gain.reshape(-1, 2)
    return pairs[:, 0], pairs[:, 1]


def _tables(angles: tuple[Array, ...]) -> tuple[Float[Array, "L W"], ...]:
    """Return cosines and sines of as many heads as a chunk holds."""
    return tuple(jnp.tile(table, (1, WORDS // table.shape[1])) for table in angles)
