"""A corpus as the TensorFlow Datasets dataset `animatrix_clips`, read without TensorFlow.

Importing this package registers the dataset. TensorFlow Datasets is an optional dependency:
ImportError says what to install where it is absent.
"""

from importlib.util import find_spec

_NEEDED = ("tensorflow_datasets", "importlib_resources")
_absent = [name for name in _NEEDED if find_spec(name) is None]
if _absent:
    raise ImportError(
        f"animatrix_data.tfds needs {' and '.join(_absent)}, which is not installed: "
        "pip install tensorflow-datasets==4.9.10 importlib_resources"
    )

from animatrix_data.tfds.animatrix_clips.animatrix_clips_dataset_builder import (  # noqa: E402
    Builder,
    CorpusConfig,
)
from animatrix_data.tfds.examples import clip_features, decode_clip, encode_clip  # noqa: E402

__all__ = ["Builder", "CorpusConfig", "clip_features", "decode_clip", "encode_clip"]
