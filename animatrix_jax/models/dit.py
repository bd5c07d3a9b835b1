"""Wan's video diffusion transformer, with the paper's two tag pathways on its block.

Shapes: B batch, L latent tokens, N text tokens, d width. Layers are stacked on a leading dim and
scanned. Attention is handed in as `attend(q, k, v, kv_lengths)` on [B, L, H, D].
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax.ad_checkpoint import checkpoint_name
from jaxtyping import Array, Float

from animatrix_jax.models.conditioning import ConditioningConfig, TagModulation, TagStates
from animatrix_jax.models.embeddings import (
    fold_tokens,
    position_table,
    rotary_table,
    timestep_sinusoid,
    unfold_tokens,
)
from animatrix_kernels.fused.adaln import Outer, affine_norm, gated_sum, modulated_norm
from animatrix_kernels.fused.qk_norm_rope import qk_norm_rope

Attend = Callable[[jax.Array, jax.Array, jax.Array, jax.Array | None], jax.Array]

REMATS = ("none", "full", "dots", "offload")
RESIDUAL = "residual"
"""The name of the residual stream between blocks, for what is kept of it."""
RESIDUAL_DTYPES = ("float32", "bfloat16")


@dataclass(frozen=True)
class DiTConfig:
    """Sizes of one expert; Wan's names.

    `in_channels` counts what is concatenated (noisy latents, reference mask, reference latents),
    `patch` is (frames, rows, columns), `dtype` the compute type of the linear layers and of
    attention; norms, modulation and sums are float32. `residual_dtype` is what the residual stream
    is kept in between blocks' sub-layers: float32 as Wan's own code, bfloat16 as diffusers casts.
    `remat` says what the backward pass computes again: `none` of a block (False), `full` all of it
    (True), `dots` all but the linear layers' outputs, which are kept, or `offload` all of it from a
    residual stream that waits in the host's memory. `rope_base` is the rotary
    base; `absolute_positions` also adds where a token stands to its embedding (Wan does not: on a
    grid of a few tokens the rotary angles alone say little).
    """

    dim: int
    ffn_dim: int
    heads: int
    layers: int
    in_channels: int
    out_channels: int
    text_dim: int
    text_length: int
    patch: tuple[int, int, int] = (1, 2, 2)
    freq_dim: int = 256
    rope_base: float = 10000.0
    absolute_positions: bool = False
    eps: float = 1e-6
    dtype: str = "float32"
    residual_dtype: str = "float32"
    remat: bool | str = False

    def __post_init__(self) -> None:
        """Check that heads divide the width into even parts, and the names of choices."""
        if isinstance(self.remat, str) and self.remat not in REMATS:
            raise ValueError(f"remat cannot be {self.remat!r}: it is one of {', '.join(REMATS)}")
        if self.residual_dtype not in RESIDUAL_DTYPES:
            raise ValueError(
                f"residual_dtype cannot be {self.residual_dtype!r}: "
                f"it is one of {', '.join(RESIDUAL_DTYPES)}"
            )
        if self.dim % self.heads or (self.dim // self.heads) % 2:
            raise ValueError(f"dim {self.dim} does not split into {self.heads} heads of even size")

    @property
    def head_dim(self) -> int:
        """Channels of one attention head."""
        return self.dim // self.heads


class WidthNorm(nn.Module):
    """RMS norm over the whole width, then split into heads, then rotated (Wan's q/k norm)."""

    heads: int
    eps: float

    @nn.compact
    def __call__(
        self, x: Float[Array, "B L d"], rope: tuple[jax.Array, jax.Array] | None = None
    ) -> Float[Array, "B L H D"]:
        """Return heads of x's type, rotated by the tokens' angles where there are any."""
        gain = self.param("gain", nn.initializers.ones, (x.shape[-1],))
        return qk_norm_rope(x, gain, self.heads, rope, eps=self.eps)


class CrossNorm(nn.Module):
    """Layer norm with learned scale and bias, and a second modulation of its result."""

    eps: float
    dtype: str

    @nn.compact
    def __call__(self, x: Float[Array, "B L d"], outer: Outer) -> Float[Array, "B L d"]:
        """Return the modulated norm in the compute type."""
        scale = self.param("scale", nn.initializers.ones, (x.shape[-1],))
        bias = self.param("bias", nn.initializers.zeros, (x.shape[-1],))
        return affine_norm(x, scale, bias, outer=outer, eps=self.eps, dtype=self.dtype)


class SelfAttention(nn.Module):
    """Full self-attention over latent tokens with q/k norm and 3D rotary positions."""

    config: DiTConfig

    @nn.compact
    def __call__(
        self, x: Float[Array, "B L d"], rope: tuple[jax.Array, jax.Array], attend: Attend
    ) -> Float[Array, "B L d"]:
        """Return the attended values, projected."""
        c = self.config
        heads = (*x.shape[:2], c.heads, c.head_dim)
        dense = lambda name: nn.Dense(c.dim, dtype=c.dtype, name=name)  # noqa: E731
        q = WidthNorm(c.heads, c.eps, name="q_norm")(dense("q")(x), rope)
        k = WidthNorm(c.heads, c.eps, name="k_norm")(dense("k")(x), rope)
        out = attend(q, k, dense("v")(x).reshape(heads), None)
        return dense("o")(out.reshape(x.shape))


class CrossAttention(nn.Module):
    """Cross-attention to text, and through a gate to text and tags together (eqs. 6, 11).

    With A(·) attention over a context, the result is A(text) + g·(A([text + τ_text; tags + τ_tag])
    − A(text)); g starts at 0, so Wan's own output comes first (decision 2). With `tag_gate` off
    it is A([text + τ_text; tags + τ_tag]), eq. 6 as printed.
    """

    config: DiTConfig
    conditioning: ConditioningConfig | None

    def setup(self) -> None:
        """Build the projections, shared by both contexts."""
        c = self.config
        self.q, self.k, self.v, self.o = (nn.Dense(c.dim, dtype=c.dtype) for _ in range(4))
        self.q_norm, self.k_norm = (WidthNorm(c.heads, c.eps) for _ in range(2))
        if self.conditioning is not None:
            zeros, normal = nn.initializers.zeros, nn.initializers.normal(0.02)
            self.text_type = self.param("text_type", zeros, (c.dim,))
            self.tag_type = self.param("tag_type", normal, (c.dim,))
            if self.conditioning.tag_gate:
                self.gate = self.param("gate", zeros, ())

    def __call__(
        self, x: jax.Array, text: Float[Array, "B N d"], tags: TagStates | None, attend: Attend
    ) -> jax.Array:
        """Attend from x [B, L, d] to the condition tokens; given tags stand before absent ones."""
        q = self.q_norm(self.q(x))
        keys, values = self.k(text), self.v(text)

        def over(k: jax.Array, v: jax.Array, lengths: jax.Array | None) -> jax.Array:
            heads = v.reshape(*v.shape[:2], self.config.heads, -1)
            out = attend(q, self.k_norm(k), heads, lengths)
            return out.reshape(x.shape)

        if self.conditioning is None or tags is None:
            return self.o(over(keys, values, None))

        def joined(project: nn.Dense, of_text: jax.Array) -> jax.Array:
            # The projection is linear: τ_text shifts what is already projected.
            shift = project(self.text_type) - project(jnp.zeros_like(self.text_type))
            return jnp.concatenate(
                [of_text + shift, project(tags.sequence + self.tag_type)], axis=1
            )

        lengths = text.shape[1] + tags.mask.sum(axis=1, dtype=jnp.int32)
        mixed = over(joined(self.k, keys), joined(self.v, values), lengths)
        if not self.conditioning.tag_gate:
            return self.o(mixed)
        plain = over(keys, values, None)
        return self.o(plain + self.gate * (mixed - plain))


class Block(nn.Module):
    """Wan's block: modulated self-attention, cross-attention, modulated FFN (eq. 10)."""

    config: DiTConfig
    conditioning: ConditioningConfig | None
    attend: Attend

    @nn.compact
    def __call__(
        self,
        x: Float[Array, "B L d"],
        modulation: Float[Array, "B *L 6 d"],
        time: Float[Array, "B d"],
        text: Float[Array, "B N d"],
        tags: TagStates | None,
        rope: tuple[jax.Array, jax.Array],
    ) -> tuple[jax.Array, None]:
        """Return the next residual stream, in the form `nn.scan` carries."""
        c, x = self.config, checkpoint_name(x, RESIDUAL)
        table = self.param("modulation", nn.initializers.normal(c.dim**-0.5), (6, c.dim))
        shift1, scale1, gate1, shift2, scale2, gate2 = _rows(modulation + table)
        own: list[Outer] = [(jnp.ones(()), jnp.zeros(()))] * 3
        if self.conditioning is not None and tags is not None:
            modulator = TagModulation(c.dim, self.conditioning.adaln_rank, name="tag_modulation")
            own = modulator(time, tags.summary)
        norm = partial(modulated_norm, eps=c.eps, dtype=c.dtype)

        h = norm(x, scale1, shift1, outer=own[0])
        x = gated_sum(x, gate1, SelfAttention(c, name="self_attention")(h, rope, self.attend))
        h = CrossNorm(c.eps, c.dtype, name="cross_norm")(x, own[1])
        cross = CrossAttention(c, self.conditioning, name="cross_attention")
        x = _add(x, cross(h, text, tags, self.attend))
        h = norm(x, scale2, shift2, outer=own[2])
        h = nn.Dense(c.ffn_dim, dtype=c.dtype, name="ffn_up")(h)
        h = nn.Dense(c.dim, dtype=c.dtype, name="ffn_down")(nn.gelu(h, approximate=True))
        return gated_sum(x, gate2, h), None


def _add(x: jax.Array, update: jax.Array) -> jax.Array:
    """Add to the residual stream in float32, and keep its type."""
    return (x.astype(jnp.float32) + update).astype(x.dtype)


def _rows(modulation: Float[Array, "B *L rows d"]) -> list[jax.Array]:
    """Split a modulation's rows into [B, 1, d], or [B, L, d] where every token has its own."""
    rows = jnp.split(modulation, modulation.shape[-2], axis=-2)
    return rows if modulation.ndim == 3 else [row.squeeze(-2) for row in rows]


def _recomputed(remat: bool | str) -> type[Block]:
    """Return the block with its rule for the backward pass (`DiTConfig.remat`)."""
    if remat in (False, "none"):
        return Block
    policies, kept = jax.checkpoint_policies, None
    if remat == "dots":
        kept = policies.dots_with_no_batch_dims_saveable
    elif remat == "offload":
        kept = policies.save_and_offload_only_these_names(
            names_which_can_be_saved=[],
            names_which_can_be_offloaded=[RESIDUAL],
            offload_src="device",
            offload_dst="pinned_host",
        )
    return nn.remat(Block, prevent_cse=False, policy=kept)


def sample_time(
    time: Float[Array, "B *L d"], timestep: Float[Array, " B *L"]
) -> Float[Array, "B d"]:
    """Return one embedding a sample: where every token has its own, the largest timestep's.

    Tokens that are given rather than made stand at timestep 0: the largest is the sample's own.
    """
    if timestep.ndim == 1:
        return time
    return jnp.take_along_axis(time, jnp.argmax(timestep, axis=1)[:, None, None], axis=1)[:, 0]


class DiT(nn.Module):
    """One noise expert: latents and conditions to velocity."""

    config: DiTConfig
    conditioning: ConditioningConfig | None
    attend: Attend

    @nn.compact
    def __call__(
        self,
        inputs: Float[Array, "B T H W C"],
        timestep: Float[Array, " B *L"],
        text: Float[Array, "B N text_dim"],
        tags: TagStates | None = None,
    ) -> Float[Array, "B T H W out"]:
        """Return the velocity; timestep = 1000·sigma, text as the text encoder gives it, padded.

        `timestep` is [B], or [B, L] with one for every token (frame-major, after patching): TI2V-5B
        gives the tokens of a reference frame 0. The tag modulation takes a sample's largest.
        Raises ValueError where it has another number of tokens.
        """
        c = self.config
        frames, height, width = inputs.shape[1:4]
        grid = tuple(n // p for n, p in zip((frames, height, width), c.patch, strict=True))
        rope = rotary_table(*grid, c.head_dim, c.rope_base)
        if timestep.ndim == 2 and timestep.shape[1] != len(rope[0]):
            raise ValueError(f"{timestep.shape[1]} timesteps a sample for {len(rope[0])} tokens")

        dense = lambda features, name: nn.Dense(features, dtype=c.dtype, name=name)  # noqa: E731
        x = dense(c.dim, "patch_embedding")(fold_tokens(inputs, c.patch)).astype(jnp.float32)
        if c.absolute_positions:
            places = jnp.asarray(position_table(*grid, c.rope_base))
            x = x + nn.Dense(c.dim, name="position_embedding")(places)
        # Float32 in earnest: an accelerator's own choice would round what is multiplied.
        exact = partial(nn.Dense, precision=jax.lax.Precision.HIGHEST)
        time = exact(c.dim, name="time_in")(timestep_sinusoid(timestep, c.freq_dim))
        time = exact(c.dim, name="time_out")(nn.silu(time))
        modulation = exact(6 * c.dim, name="time_projection")(nn.silu(time))
        modulation = modulation.reshape(*timestep.shape, 6, c.dim)
        text = nn.gelu(dense(c.dim, "text_in")(text), approximate=True)
        text = dense(c.dim, "text_out")(text)

        stack = nn.scan(
            _recomputed(c.remat),
            variable_axes={"params": 0},
            split_rngs={"params": True},
            in_axes=(nn.broadcast,) * 5,
            length=c.layers,
        )(c, self.conditioning, self.attend, name="blocks")
        angles = (jnp.asarray(rope[0]), jnp.asarray(rope[1]))
        x = x.astype(c.residual_dtype)
        x, _ = stack(x, modulation, sample_time(time, timestep), text, tags, angles)

        table = self.param("head_modulation", nn.initializers.normal(c.dim**-0.5), (2, c.dim))
        shift, scale = _rows(table + time[..., None, :])
        x = modulated_norm(x, scale, shift, eps=c.eps)
        features = c.patch[0] * c.patch[1] * c.patch[2] * c.out_channels
        x = exact(features, kernel_init=nn.initializers.zeros, name="head")(x)
        return unfold_tokens(x, c.patch, (frames, height, width))
