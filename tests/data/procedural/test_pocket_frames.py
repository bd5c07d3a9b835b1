"""The samplers that the shipped model learnt draw what it has seen.

`pocket_frames.npz` holds frames 3 and 13 of some of their clips, as drawn when the model was
trained: a studio that grows must not move them under the model's feet.
"""

from pathlib import Path

import numpy as np
import pytest

from animatrix_data.procedural import Size, draw_clip, find_sampler, sample_spec

STORED = np.load(Path(__file__).with_name("pocket_frames.npz"))


@pytest.mark.parametrize("index", range(len(STORED["clips"])))
def test_a_clip_of_the_shipped_samplers_is_drawn_as_ever(index: int) -> None:
    sampler, _, seed = str(STORED["clips"][index]).partition(":")
    staging = find_sampler(sampler).staging
    clip = draw_clip(sample_spec(int(seed), sampler), int(seed), Size(64, 64, 17, 8), staging)
    error = np.abs(clip.frames[[3, 13]].astype(float) - STORED["frames"][index])
    # Anti-aliasing may round another way on another processor.
    assert error.mean() < 0.25
