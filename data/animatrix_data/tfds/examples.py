"""A clip of a corpus as an example of TensorFlow Datasets: its features, there and back."""

import tempfile
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from animatrix_data.corpus.catalogue import TIERS, Catalogue, ClipRow
from animatrix_data.corpus.video import DecodeLimits, decode_video
from animatrix_data.pipeline.sources import read_directive
from animatrix_data.taxonomy import MAX_TAGS, tag_arrays

TEXTS = {
    "id": "the clip's name in its corpus",
    "caption": "structured caption, JSON; empty where there is none",
    "directive": "<tag>, <summary> and <description>; may be empty",
    "tags": "canonical <tag> section",
    "content": "genre or content class",
    "truth": "what a procedural clip is known to show, JSON; empty for footage",
    "era": "era of the footage; empty where unknown",
    "resolution_tier": "resolution class of the footage; empty where unknown",
    "source": "where the clip came from",
    "digest": "SHA-256 of the mp4",
}
UNKNOWN = -1


def clip_features() -> tfds.features.FeaturesDict:
    """Return the features of an example: every column of the catalogue, and the mp4 in it.

    `video` is the mp4's bytes (`decode_clip` makes frames of them), `tag_arrays` what the tag
    encoder reads (`taxonomy.TagArrays`). Unknown whole numbers are −1, unknown scores NaN.
    """
    tensor, scalar = tfds.features.Tensor, tfds.features.Scalar
    whole = {name: scalar(np.int32) for name in ("frames", "height", "width")}
    texts = {name: tfds.features.Text(doc=doc) for name, doc in TEXTS.items()}
    return tfds.features.FeaturesDict(
        {
            "video": scalar(np.object_, doc="the clip's mp4, byte for byte"),
            "fps": scalar(np.float32, doc="frames per second"),
            "tier": tfds.features.ClassLabel(names=TIERS),
            "seed": scalar(np.int64, doc="what drew a procedural clip; -1 for footage"),
            "style_cluster": scalar(np.int32, doc="-1 where unknown"),
            "motion_amplitude": scalar(np.float32, doc="NaN where unknown"),
            "deformation": scalar(np.float32, doc="NaN where unknown"),
            "tag_arrays": {
                "values": tensor(shape=(MAX_TAGS, 5), dtype=np.int32),
                "order": tensor(shape=(MAX_TAGS,), dtype=np.int32),
                "mask": tensor(shape=(MAX_TAGS,), dtype=np.bool_),
            },
            **whole,
            **texts,
        }
    )


def encode_clip(catalogue: Catalogue, row: ClipRow) -> dict[str, Any]:
    """Return the example of a clip, to be written with `clip_features`.

    Raises ValueError with one sentence that names the clip when its mp4 is missing, is not the
    file that the catalogue was made of (SHA-256), or its tags are wrong.
    """
    path = catalogue.clip_path(row)
    arrays = tag_arrays(read_directive(row.id, row.directive, row.tags).spec)
    try:
        video = path.read_bytes()
    except OSError as error:
        raise ValueError(f"clip {row.id!r}: {path} cannot be read ({error.strerror})") from None
    if sha256(video).hexdigest() != row.digest:
        raise ValueError(
            f"clip {row.id!r}: {path} is damaged or another file (its SHA-256 is not the row's)"
        )
    numbers = {name: getattr(row, name) for name in ("frames", "height", "width", "fps", "tier")}
    cluster, seed = row.style_cluster, row.seed
    return {
        "video": video,
        **numbers,
        "seed": UNKNOWN if seed is None else seed,
        "style_cluster": UNKNOWN if cluster is None else cluster,
        "motion_amplitude": np.nan if row.motion_amplitude is None else row.motion_amplitude,
        "deformation": np.nan if row.deformation is None else row.deformation,
        "tag_arrays": {name: getattr(arrays, name) for name in ("values", "order", "mask")},
        **{name: getattr(row, name) or "" for name in TEXTS},
    }


def decode_clip(example: Mapping[str, Any], limits: DecodeLimits | None = None) -> dict[str, Any]:
    """Return an example as it was read with frames and texts in place of bytes.

    `video` becomes uint8 [T, H, W, 3] RGB, the texts str, `tier` its name; the rest stays. To be
    mapped over a data source: `grain.MapDataset.source(source).map(decode_clip)`. Raises
    ValueError with one sentence that names the clip when its video cannot be decoded.
    """
    texts = {name: example[name].decode() for name in TEXTS}
    with tempfile.NamedTemporaryFile(suffix=".mp4") as file:
        file.write(example["video"])
        file.flush()
        try:
            frames = decode_video(file.name, limits).frames
        except ValueError as error:
            reason = str(error).replace(file.name, "its video")
            raise ValueError(f"clip {texts['id']!r}: {reason}") from None
    return {**example, **texts, "video": frames, "tier": TIERS[int(example["tier"])]}
