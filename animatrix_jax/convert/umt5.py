"""The table of the umT5 encoder: its tensors' names and layouts, and its sizes."""

from collections.abc import Mapping
from typing import Any

from animatrix_jax.convert.rules import Rule, by_foreign_name, expand
from animatrix_jax.models.umt5 import UMT5Config

LAYERS_UNDER = {"wan": "blocks.", "diffusers": "encoder.block."}

ATTENTION = "layer.0.SelfAttention"
FEED_FORWARD = "layer.1.DenseReluDense"
LINEAR = (
    *((name, f"attn.{name}", f"{ATTENTION}.{name}") for name in ("q", "k", "v", "o")),
    ("gate", "ffn.gate.0", f"{FEED_FORWARD}.wi_0"),
    ("up", "ffn.fc1", f"{FEED_FORWARD}.wi_1"),
    ("down", "ffn.fc2", f"{FEED_FORWARD}.wo"),
)
AS_THEY_ARE = (
    ("norm1.gain", "norm1", "layer.0.layer_norm"),
    ("norm2.gain", "norm2", "layer.1.layer_norm"),
    (
        "position_bias.embedding",
        "pos_embedding.embedding",
        f"{ATTENTION}.relative_attention_bias",
    ),
)


def rules(config: UMT5Config) -> tuple[Rule, ...]:
    """Return the rule of every tensor of an encoder; `diffusers` is transformers' naming."""
    written = [
        Rule("embedding.embedding", "token_embedding.weight", "shared.weight"),
        Rule("norm.gain", "norm.weight", "encoder.final_layer_norm.weight"),
    ]
    for ours, wan, diffusers in LINEAR:
        written.append(_in_layer(f"{ours}.kernel", wan, diffusers, "o i -> i o"))
    for ours, wan, diffusers in AS_THEY_ARE:
        written.append(_in_layer(ours, wan, diffusers, "... -> ..."))
    return expand(written, config.layers)


def _in_layer(ours: str, wan: str, diffusers: str, form: str) -> Rule:
    return Rule(
        f"layer{{i}}.{ours}",
        f"{LAYERS_UNDER['wan']}{{i}}.{wan}.weight",
        f"{LAYERS_UNDER['diffusers']}{{i}}.{diffusers}.weight",
        form,
    )


def config_of(
    system: str, shapes: Mapping[str, tuple[int, ...]], foreign_config: Mapping[str, Any]
) -> UMT5Config:
    """Return the sizes of a foreign encoder from its tensors' shapes by name.

    `foreign_config` is its config.json, where the farthest distance that a position bias tells
    apart may stand (128 without it). Raises ValueError where a tensor that tells a size is missing.
    """
    least = UMT5Config(vocab=1, dim=1, ffn_dim=1, heads=1, head_dim=1, layers=1)
    names = {r.ours: name for name, r in by_foreign_name(rules(least), system).items()}

    def shape(ours: str) -> tuple[int, int]:
        name = names[ours]
        if name not in shapes:
            raise ValueError(f"the text encoder has no tensor {name}")
        if len(shapes[name]) != 2:
            raise ValueError(f"tensor {name} has {len(shapes[name])} dims, not 2")
        return shapes[name][0], shapes[name][1]

    vocab, dim = shape("embedding.embedding")
    buckets, heads = shape("layer0.position_bias.embedding")
    return UMT5Config(
        vocab=vocab,
        dim=dim,
        ffn_dim=shape("layer0.gate.kernel")[0],
        heads=heads,
        head_dim=shape("layer0.q.kernel")[0] // heads,
        layers=_layers(shapes, LAYERS_UNDER[system]),
        buckets=buckets,
        max_distance=foreign_config.get("relative_attention_max_distance", 128),
    )


def _layers(shapes: Mapping[str, tuple[int, ...]], under: str) -> int:
    numbers = {name[len(under) :].split(".")[0] for name in shapes if name.startswith(under)}
    return 1 + max((int(number) for number in numbers if number.isdecimal()), default=-1)
