"""The table of Wan's transformer: its tensors' names and layouts, and its sizes.

The two systems number a block's norms differently: what `wan` calls norm3, the one with weights
before cross-attention, is norm2 in `diffusers`; the norms between have no weights.
"""

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from animatrix_jax.convert.rules import Rule, by_foreign_name, expand
from animatrix_jax.models.dit import DiTConfig

PREFIX = "dit"
HEAD_DIM = 128
"""Every public Wan transformer's; for checkpoints that come without a config."""
TEXT_LENGTH = 512
ROPE_BASE = 10000.0

OUTSIDE = (
    ("time_in", "time_embedding.0", "condition_embedder.time_embedder.linear_1"),
    ("time_out", "time_embedding.2", "condition_embedder.time_embedder.linear_2"),
    ("time_projection", "time_projection.1", "condition_embedder.time_proj"),
    ("text_in", "text_embedding.0", "condition_embedder.text_embedder.linear_1"),
    ("text_out", "text_embedding.2", "condition_embedder.text_embedder.linear_2"),
    ("head", "head.head", "proj_out"),
)
ATTENTIONS = (("self_attention", "self_attn", "attn1"), ("cross_attention", "cross_attn", "attn2"))
PROJECTIONS = (("q", "to_q"), ("k", "to_k"), ("v", "to_v"), ("o", "to_out.0"))
IN_A_BLOCK = (
    ("ffn_up", "ffn.0", "ffn.net.0.proj"),
    ("ffn_down", "ffn.2", "ffn.net.2"),
    *(
        (f"{ours}.{name}", f"{wan}.{name}", f"{diffusers}.{of_diffusers}")
        for ours, wan, diffusers in ATTENTIONS
        for name, of_diffusers in PROJECTIONS
    ),
)
IMAGE_BRANCHES = ("img_emb.", "image_embedder.", "k_img.", "add_k_proj.")


def not_wans(config: DiTConfig) -> list[str]:
    """Return what a transformer has that none of Wan's does, as ends of a sentence."""
    reasons = {
        "has absolute positions": config.absolute_positions,
        f"has a rotary base of {config.rope_base:g}": config.rope_base != ROPE_BASE,
    }
    return [reason for reason, holds in reasons.items() if holds]


def rules(config: DiTConfig) -> tuple[Rule, ...]:
    """Return the rule of every tensor of a transformer, under our names in an expert's part.

    Raises ValueError, saying why, for a transformer that is not Wan's.
    """
    if reasons := not_wans(config):
        raise ValueError(f"this transformer is none of Wan's: it {' and '.join(reasons)}")
    frames, rows, columns = config.patch
    patches = MappingProxyType({"t": frames, "h": rows, "w": columns})
    first = f"{PREFIX}.patch_embedding"
    written = [
        Rule(
            f"{first}.kernel",
            "patch_embedding.weight",
            "patch_embedding.weight",
            "o c t h w -> (t h w c) o",
            patches,
        ),
        Rule(f"{first}.bias", "patch_embedding.bias", "patch_embedding.bias"),
        _table("head_modulation", "head.modulation", "scale_shift_table"),
        _table("blocks.{i}.modulation", "blocks.{i}.modulation", "blocks.{i}.scale_shift_table"),
    ]
    for names in OUTSIDE:
        written += _linear(*names)
    for names in IN_A_BLOCK:
        written += _linear(*_in_block(*names))
    for ours, wan, diffusers in ATTENTIONS:
        for q in ("q", "k"):
            names = _in_block(f"{ours}.{q}_norm", f"{wan}.norm_{q}", f"{diffusers}.norm_{q}")
            written.append(_vector(*names, "gain", "weight"))
    for of_ours, of_theirs in (("scale", "weight"), ("bias", "bias")):
        written.append(_vector(*_in_block("cross_norm", "norm3", "norm2"), of_ours, of_theirs))
    return expand(written, config.layers)


def _in_block(ours: str, wan: str, diffusers: str) -> tuple[str, str, str]:
    return f"blocks.{{i}}.{ours}", f"blocks.{{i}}.{wan}", f"blocks.{{i}}.{diffusers}"


def _linear(ours: str, wan: str, diffusers: str) -> list[Rule]:
    weights = Rule(f"{PREFIX}.{ours}.kernel", f"{wan}.weight", f"{diffusers}.weight", "o i -> i o")
    return [weights, _vector(ours, wan, diffusers, "bias", "bias")]


def _vector(ours: str, wan: str, diffusers: str, of_ours: str, of_theirs: str) -> Rule:
    return Rule(f"{PREFIX}.{ours}.{of_ours}", f"{wan}.{of_theirs}", f"{diffusers}.{of_theirs}")


def _table(ours: str, wan: str, diffusers: str) -> Rule:
    return Rule(f"{PREFIX}.{ours}", wan, diffusers, "1 rows d -> rows d")


def config_of(
    system: str, shapes: Mapping[str, tuple[int, ...]], foreign_config: Mapping[str, Any]
) -> DiTConfig:
    """Return the sizes of a foreign transformer from its tensors' shapes by name.

    `foreign_config` is its config.json: the number of heads, the norms' epsilon and the length of
    text stand only there; without it they are what every public Wan has. Raises ValueError where a
    tensor that tells a size is missing, or the transformer is of another kind.
    """
    branches = [name for name in shapes if any(mark in name for mark in IMAGE_BRANCHES)]
    if branches:
        raise ValueError(
            f"tensor {min(branches)} belongs to a branch for image embeddings (Wan 2.1's I2V), "
            "which is not supported"
        )
    names = {r.ours: name for name, r in by_foreign_name(rules(_LEAST), system).items()}

    def shape(ours: str, dims: int) -> tuple[int, ...]:
        name = names[f"{PREFIX}.{ours}"]
        if name not in shapes:
            raise ValueError(f"the transformer has no tensor {name}")
        if len(shapes[name]) != dims:
            raise ValueError(f"tensor {name} has {len(shapes[name])} dims, not {dims}")
        return tuple(shapes[name])

    dim, in_channels, *patch = shape("patch_embedding.kernel", 5)
    heads = foreign_config.get("num_heads" if system == "wan" else "num_attention_heads")
    if heads is None and dim % HEAD_DIM:
        raise ValueError(
            f"a width of {dim} does not tell the number of heads: config.json is missing"
        )
    return DiTConfig(
        dim=dim,
        ffn_dim=shape("blocks.0.ffn_up.kernel", 2)[0],
        heads=dim // HEAD_DIM if heads is None else heads,
        layers=_layers(shapes),
        in_channels=in_channels,
        out_channels=shape("head.kernel", 2)[0] // math.prod(patch),
        text_dim=shape("text_in.kernel", 2)[1],
        text_length=foreign_config.get("text_len", TEXT_LENGTH),
        patch=(patch[0], patch[1], patch[2]),
        freq_dim=shape("time_in.kernel", 2)[1],
        eps=foreign_config.get("eps", 1e-6),
    )


def _layers(shapes: Mapping[str, tuple[int, ...]]) -> int:
    numbers = {name.split(".")[1] for name in shapes if name.startswith("blocks.")}
    return 1 + max((int(number) for number in numbers if number.isdecimal()), default=-1)


_LEAST = DiTConfig(
    dim=2,
    ffn_dim=1,
    heads=1,
    layers=1,
    in_channels=1,
    out_channels=1,
    text_dim=1,
    text_length=1,
)
"""For names alone: those of the first block and outside are every transformer's."""
