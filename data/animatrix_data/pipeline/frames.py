"""A corpus decoded into memory: for sizes where all of it fits."""

import numpy as np

from animatrix_data.corpus.catalogue import Catalogue
from animatrix_data.corpus.video import DecodeLimits, decode_video
from animatrix_data.progress import track


def read_frames(catalogue: Catalogue) -> np.ndarray:
    """Return all clips of a one-bucket corpus as uint8 [N, T, H, W, 3].

    Raises ValueError when the corpus is empty or holds clips of several shapes.
    """
    if len(catalogue.buckets) != 1:
        raise ValueError(
            f"the corpus {catalogue.folder} holds clips of {len(catalogue.buckets)} shapes; "
            f"this needs one"
        )
    ((bucket, indices),) = catalogue.buckets.items()
    frames = np.empty((len(indices), *bucket, 3), np.uint8)
    limits = DecodeLimits(max_frames=bucket[0])
    for index in track(indices, label="Decoding"):
        frames[index] = decode_video(catalogue.clip_path(catalogue[index]), limits).frames
    return frames
