"""The creator-language channel: tag encoder, nulls, per-block tag modulation (section 4.1)."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from flax import linen as nn
from flax import struct
from jaxtyping import Array, Bool, Float, Int

ORDERS = 24
FIELDS = 4
DIRECTIONS = 10
DEGREES = 3


@dataclass(frozen=True)
class ConditioningConfig:
    """Sizes of the tag channel (decisions 1, 2 and 6).

    `values` is the vocabulary's size, `tag_dim` the tag transformer's own width, `adaln_rank` None
    for the paper's full d×d projections, `tag_gate` False for eq. 6 as printed.
    """

    values: int
    tag_dim: int = 1024
    tag_layers: int = 3
    tag_heads: int = 8
    adaln_rank: int | None = None
    tag_gate: bool = True


@struct.dataclass
class Tags:
    """A batch of production specifications as arrays (rows as `animatrix_data.taxonomy` has them).

    `values` int32 [B, 24, 5] = (field, value, direction, amplitude, speed), `order` int32 [B, 24]
    the place in a camera sequence, `mask` bool [B, 24] which rows are given.
    """

    values: Int[Array, "B K 5"]
    order: Int[Array, "B K"]
    mask: Bool[Array, "B K"]


@struct.dataclass
class TagStates:
    """What the tag encoder hands to the blocks: h_seq, its mask and h_global (eqs. 4, 5).

    The given tags stand first, so that attention needs their number only.
    """

    sequence: Float[Array, "B K d"]
    mask: Bool[Array, "B K"]
    summary: Float[Array, "B d"]


class TagEncoder(nn.Module):
    """Embed tags as field + value + order, contextualise them with a [CLS] token (eqs. 3–5)."""

    config: ConditioningConfig
    dim: int

    @nn.compact
    def __call__(self, tags: Tags) -> TagStates:
        """Return the given tags' states first, [B, K, dim], their mask, and [CLS]'s [B, dim]."""
        c = self.config

        def table(name: str, rows: int, ids: jax.Array) -> jax.Array:
            init = nn.initializers.normal(0.02)
            weights = self.param(name, init, (rows + 1, c.tag_dim))
            return weights[ids] * (ids > 0)[..., None]

        field, value, direction, amplitude, speed = jnp.moveaxis(tags.values, -1, 0)
        tokens = (
            table("field", FIELDS, field)
            + table("value", c.values, value)
            + table("direction", DIRECTIONS, direction)
            + table("amplitude", DEGREES, amplitude)
            + table("speed", DEGREES, speed)
            + table("order", ORDERS, tags.order)
        )
        cls = self.param("cls", nn.initializers.normal(0.02), (c.tag_dim,))
        x = jnp.concatenate(
            [jnp.broadcast_to(cls, (tokens.shape[0], 1, c.tag_dim)), tokens], axis=1
        )
        mask = jnp.concatenate([jnp.ones_like(tags.mask[:, :1]), tags.mask], axis=1)
        for layer in range(c.tag_layers):
            x = TagLayer(c.tag_heads, name=f"layer{layer}")(x, mask)
        x = nn.LayerNorm(name="norm")(x)
        sequence, mask = compact(x[:, 1:], tags.mask)
        return TagStates(
            sequence=nn.Dense(self.dim, name="to_sequence")(sequence),
            mask=mask,
            summary=nn.Dense(self.dim, name="to_global")(x[:, 0]),
        )


class TagLayer(nn.Module):
    """A pre-LayerNorm transformer layer over a masked set of tags."""

    heads: int

    @nn.compact
    def __call__(self, x: jax.Array, mask: jax.Array) -> jax.Array:
        """Map [B, K, d] to the same shape; masked rows are never attended to."""
        dim = x.shape[-1]
        attention = nn.MultiHeadDotProductAttention(self.heads, name="attention")
        h = nn.LayerNorm(name="norm1")(x)
        x = x + attention(h, h, mask=mask[:, None, None, :])
        h = nn.Dense(4 * dim, name="up")(nn.LayerNorm(name="norm2")(x))
        return x + nn.Dense(dim, name="down")(nn.gelu(h))


class TagNulls(nn.Module):
    """Replace the tag states by the learned ∅ where tags are not given (eq. 12)."""

    dim: int

    @nn.compact
    def __call__(self, states: TagStates, given: Bool[Array, " B"]) -> TagStates:
        """Return the states with ∅ as the only token and summary of the samples not given."""
        init = nn.initializers.normal(0.02)
        sequence = self.param("sequence", init, (self.dim,))
        summary = self.param("summary", init, (self.dim,))
        first = jnp.arange(states.mask.shape[1]) == 0
        absent = ~given[:, None]
        return TagStates(
            sequence=jnp.where((absent & first)[..., None], sequence, states.sequence),
            mask=jnp.where(absent, first, states.mask),
            summary=jnp.where(absent, summary, states.summary),
        )


class TagModulation(nn.Module):
    """Scale and shift of a block's three sub-layers from timestep and tags (eqs. 7–9).

    W^γ and W^β start at zero (their outer factor in the rank form), so that γ = 1 and β = 0.
    """

    dim: int
    rank: int | None

    @nn.compact
    def __call__(
        self, time: Float[Array, "B d"], summary: Float[Array, "B d"]
    ) -> list[tuple[jax.Array, jax.Array]]:
        """Return [(γ, β)] for self-attention, cross-attention and FFN, each [B, 1, d]."""
        fused = nn.silu(self._project("time", time) + self._project("tags", summary))
        pairs = []
        for layer in ("self_attention", "cross_attention", "ffn"):
            scale = self._project(f"{layer}_scale", fused, zero=True) + 1.0
            shift = self._project(f"{layer}_shift", fused, zero=True)
            pairs.append((scale[:, None], shift[:, None]))
        return pairs

    def _project(self, name: str, x: jax.Array, zero: bool = False) -> jax.Array:
        init = nn.initializers.zeros if zero else nn.initializers.lecun_normal()
        if self.rank is not None:
            x = nn.Dense(self.rank, use_bias=False, name=f"{name}_in")(x)
        return nn.Dense(self.dim, use_bias=False, kernel_init=init, name=name)(x)


def compact(
    tokens: Float[Array, "B K d"], mask: Bool[Array, "B K"]
) -> tuple[Float[Array, "B K d"], Bool[Array, "B K"]]:
    """Move the unmasked tokens to the front, keeping their order; return them and their mask."""
    order = jnp.argsort(~mask, axis=1, stable=True)
    # An exact product with a permutation: the TPU compiler cannot split this gather and its
    # gradient over the samples where the experts have devices of their own.
    moved = jax.nn.one_hot(order, order.shape[1], dtype=tokens.dtype)
    exact = jax.lax.Precision.HIGHEST
    return (
        jnp.einsum("bkj,bjd->bkd", moved, tokens, precision=exact),
        jnp.arange(mask.shape[1]) < mask.sum(axis=1, keepdims=True),
    )
