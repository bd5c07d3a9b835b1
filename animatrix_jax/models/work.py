"""The floating-point operations of a velocity, counted from sizes: a multiply-add is two."""

import math
from dataclasses import dataclass

from animatrix_jax.models.animatrix import AniMatrixConfig
from animatrix_jax.models.conditioning import ORDERS

BACKWARD = 2.0
"""A pass backward in passes forward: the gradients of both factors of each product."""
FLASH_BACKWARD = 2.5
"""What flash attention does in place of two: the logits once more, for they were not kept."""


@dataclass(frozen=True)
class Work:
    """Operations of linear layers and of attention."""

    linear: float
    attention: float

    @property
    def total(self) -> float:
        """Both."""
        return self.linear + self.attention

    def __mul__(self, times: float) -> "Work":
        """Return the work of so many."""
        return Work(self.linear * times, self.attention * times)


def velocity_work(config: AniMatrixConfig, latents: tuple[int, int, int]) -> Work:
    """Return one sample's forward pass at latents of (frames, height, width).

    Counted are the blocks, the patch embedding, the head and the text's projection; left out is
    what is a row a sample (time, modulation, the tag encoder), a thousandth of a per cent.
    """
    blocks, ends = _blocks(config, latents), _ends(config, latents)
    return Work(blocks.linear + ends, blocks.attention)


def training_work(
    config: AniMatrixConfig, latents: tuple[int, int, int], *, hardware: bool = False
) -> Work:
    """Return one sample's step: forward and backward, three passes forward.

    `hardware` adds what is computed only because it was not kept: of the blocks as `remat` says,
    and the logits of flash attention's pass backward.
    """
    forward = velocity_work(config, latents)
    if not hardware:
        return forward * (1 + BACKWARD)
    again, remat = _blocks(config, latents), config.dit.remat
    linear = again.linear if remat in (True, "full", "offload") else 0.0
    attention = again.attention if remat not in (False, "none") else 0.0
    return Work(
        forward.linear * (1 + BACKWARD) + linear,
        forward.attention * (1 + FLASH_BACKWARD) + attention,
    )


def token_count(config: AniMatrixConfig, latents: tuple[int, int, int]) -> int:
    """Return the tokens of latents of (frames, height, width)."""
    return math.prod(n // p for n, p in zip(latents, config.dit.patch, strict=True))


def _blocks(config: AniMatrixConfig, latents: tuple[int, int, int]) -> Work:
    c, tokens = config.dit, token_count(config, latents)
    text, tags = c.text_length, 0 if config.conditioning is None else ORDERS
    keys = [text] if not tags else [text + tags]
    if config.conditioning is not None and config.conditioning.tag_gate:
        keys.append(text)
    # q, k, v, o of the tokens, q and o once more to the text, and the feed-forward's two.
    of_tokens = 6 * c.dim**2 + 2 * c.dim * c.ffn_dim
    linear = 2.0 * (tokens * of_tokens + 2 * (text + tags) * c.dim**2)
    attention = 4.0 * c.dim * tokens * (tokens + sum(keys))
    return Work(linear, attention) * c.layers


def _ends(config: AniMatrixConfig, latents: tuple[int, int, int]) -> float:
    c, tokens = config.dit, token_count(config, latents)
    channels = math.prod(c.patch) * (c.in_channels + c.out_channels)
    text = c.text_length * c.dim * (c.text_dim + c.dim)
    return 2.0 * (tokens * channels * c.dim + text)
