"""Text states of clips in a latent cache: real tokens only."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from animatrix_data.corpus.latent_meta import TextMeta


def write_texts(
    array: Any, meta: TextMeta, places: np.ndarray, texts: Sequence[Sequence[np.ndarray]]
) -> np.ndarray:
    """Write the texts of rows at `places` into the array [rows, wordings, length, width].

    `texts[k][w]` are the states [L, width] of wording w of row k. Returns their lengths, int32
    [rows, wordings]. Raises ValueError for texts of another count, length or width.
    """
    lengths = np.zeros((len(places), meta.wordings), np.int32)
    for number, (place, wordings) in enumerate(zip(places, texts, strict=True)):
        if len(wordings) != meta.wordings:
            raise ValueError(f"A clip has {meta.wordings} wordings here, not {len(wordings)}.")
        for wording, states in enumerate(wordings):
            length = len(states)
            if states.shape != (length, meta.width) or length > meta.length:
                raise ValueError(
                    f"Text states are at most {meta.length} tokens of {meta.width} numbers, "
                    f"not {list(states.shape)}."
                )
            array[int(place), wording, :length] = states
            lengths[number, wording] = length
    return lengths
