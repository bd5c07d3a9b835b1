"""Reference frames: pictures that a clip must hold at given frames, as a model takes them.

Wan's I2V condition marks any frames: the mask has 1 at those given, and the reference is the VAE's
encoding of the clip with zeros elsewhere. TI2V-5B takes the first frame only, in its place.
"""

from collections.abc import Mapping, Sequence

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, UInt8

from animatrix_data.corpus.ingest import crop_box, fit
from animatrix_jax.runtime.model import Model
from animatrix_jax.runtime.video import Tiling

References = Mapping[int, UInt8[np.ndarray, "H W 3"]]
"""Pictures of any size by frame; a negative frame counts from the clip's end."""


def place_references(references: References, frames: int) -> dict[int, np.ndarray]:
    """Return the references by frame from 0; ValueError where a frame is not there, or twice."""
    placed: dict[int, np.ndarray] = {}
    for frame, picture in references.items():
        index = frame + frames if frame < 0 else frame
        if not 0 <= index < frames:
            raise ValueError(f"a reference at frame {frame} is outside the clip's {frames} frames")
        if index in placed:
            raise ValueError(f"two references are at frame {index}")
        placed[index] = picture
    return placed


def fold_mask(given: Bool[np.ndarray, " T"], stride: int) -> Float[np.ndarray, "t s"]:
    """Return which pixel frames are given, folded by the VAE's time stride s.

    The first frame fills a latent frame of its own, so its mark stands s times.
    """
    return np.concatenate([given[:1].repeat(stride), given[1:]]).reshape(-1, stride).astype(float)


def reference_conditions(
    model: Model,
    references: Sequence[References],
    clip: tuple[int, int, int],
    tiling: Tiling | None = None,
) -> tuple[Float[Array, "B t h w z"], Float[Array, "B t s"]]:
    """Return the reference latents and their masks for clips of (frames, height, width)."""
    pairs = [
        _condition(model, place_references(each, clip[0]), clip, tiling) for each in references
    ]
    latents, masks = zip(*pairs, strict=True)
    return jnp.stack(latents), jnp.asarray(np.stack(masks), jnp.float32)


def _condition(
    model: Model,
    placed: dict[int, np.ndarray],
    clip: tuple[int, int, int],
    tiling: Tiling | None,
) -> tuple[Float[Array, "t h w z"], np.ndarray]:
    frames, height, width = clip
    given = np.isin(np.arange(frames), list(placed))
    mask = fold_mask(given, model.vae_config.time_stride)
    pixels = np.zeros((1, *clip, 3), np.uint8)
    for frame, picture in placed.items():
        pixels[0, frame] = fit_reference(picture, height, width)
    if model.card.reference == "channels":
        if not placed:
            return model.blank_reference(*clip, tiling), mask
        frames_given = jnp.asarray(given)
        return model.encode_reference(jnp.asarray(pixels), frames_given, tiling)[0], mask
    shape = model.vae_config.latent_shape(*clip)
    latents = jnp.zeros(shape)
    if placed:
        first = model.encode_video(jnp.asarray(pixels[:, :1]), tiling)[0]
        latents = latents.at[:1].set(first)
    return latents, mask


def fit_reference(
    image: UInt8[np.ndarray, "H W 3"], height: int, width: int
) -> UInt8[np.ndarray, "h w 3"]:
    """Return the largest centred part of `image` with the clip's aspect, resized to the clip."""
    box = crop_box(image.shape[0], image.shape[1], 1.0, (height, width))
    return fit(image, box, (height, width))
