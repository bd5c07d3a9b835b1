"""The smallest whole model: what tests of the rooms above `runtime` run on."""

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit
from tokenizers.processors import TemplateProcessing

from animatrix_data.taxonomy import VALUE_COUNT
from animatrix_jax.checkpoint.folder import (
    ClipShape,
    ModelCard,
    save_part,
    write_card,
)
from animatrix_jax.diffusion.schedule import Schedule
from animatrix_jax.models.animatrix import AniMatrixConfig
from animatrix_jax.models.conditioning import ConditioningConfig
from animatrix_jax.models.dit import DiTConfig
from animatrix_jax.models.shapes import text_encoder_shapes, transformer_shapes, vae_shapes
from animatrix_jax.models.umt5 import UMT5Config
from animatrix_jax.models.vae import VAEConfig

FRAMES, EDGE = 5, 16
WORDS = {"<pad>": 0, "</s>": 1, "<unk>": 2, "a": 3, "girl": 4, "&": 5, "café": 6}


def tiny_card() -> ModelCard:
    """Return a card of the smallest sizes: latents [2, 4, 4, 4], 8 tokens."""
    return ModelCard(
        vae=VAEConfig(
            base_dim=4,
            z_dim=4,
            multipliers=(1, 1, 1),
            res_blocks=1,
            strides=((2, 2), (2, 2)),
            temporal_kernels=(1, 3, 3),
        ),
        text_encoder=UMT5Config(vocab=384, dim=16, ffn_dim=32, heads=2, head_dim=8, layers=1),
        transformer=AniMatrixConfig(
            DiTConfig(
                dim=32,
                ffn_dim=64,
                heads=2,
                layers=2,
                in_channels=12,
                out_channels=4,
                text_dim=16,
                text_length=24,
                freq_dim=32,
            ),
            ConditioningConfig(
                values=VALUE_COUNT, tag_dim=16, tag_layers=1, tag_heads=2, adaln_rank=8
            ),
        ),
        schedule=Schedule(shift=3.0, boundary=0.9),
        clip=ClipShape(frames=FRAMES, height=EDGE, width=EDGE, fps=8.0),
        reference="channels",
    )


def write_tiny_model(folder: Path, card: ModelCard | None = None) -> None:
    """Write a model folder of `card`'s sizes with random weights, the zero-started ones too."""
    card = card or tiny_card()
    assert card.vae is not None and card.text_encoder is not None and card.transformer is not None
    shapes = {
        "vae": vae_shapes(card.vae),
        "text_encoder": text_encoder_shapes(card.text_encoder),
    }
    for part, like in shapes.items():
        save_part(folder, part, random_like(like, 0))
    one = transformer_shapes(card.transformer)
    for seed, name in enumerate(card.experts, start=1):
        save_part(folder, name, random_like(one, seed))
    write_card(folder, card)


def write_tokenizer(folder: Path) -> None:
    """Write a tokenizer of a few words into a model folder, saved as public ones are."""
    tokenizer = Tokenizer(WordLevel(WORDS, unk_token="<unk>"))
    tokenizer.pre_tokenizer = WhitespaceSplit()
    tokenizer.post_processor = TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    # Padding of its own, which ours must not follow.
    tokenizer.enable_padding(length=9)
    (folder / "tokenizer").mkdir()
    tokenizer.save(str(folder / "tokenizer" / "tokenizer.json"))


def random_like(shapes: Any, seed: int) -> Any:
    """Return a tree of normal values of deviation 0.1 about 0, about 1 for gains."""
    paths, tree = jax.tree_util.tree_flatten_with_path(shapes)
    random, leaves = np.random.default_rng(seed), []
    for path, leaf in paths:
        centre = 1.0 if str(path[-1].key) in ("gain", "scale", "gate") else 0.0
        values = centre + 0.1 * random.normal(size=leaf.shape)
        leaves.append(jnp.asarray(values, jnp.float32))
    return jax.tree.unflatten(tree, leaves)
