"""Crops of clips in memory: a pure function of the sample, cut from where they say."""

from itertools import islice

import numpy as np
import pytest
from scipy.stats import chisquare

from animatrix_data.pipeline.crops import CropStage, crop_batches

CLIPS, SHAPE = 5, (6, 8, 10)
STAGES = (CropStage(3, 4, (2, 4, 4)), CropStage(2, 2, SHAPE))


@pytest.fixture(scope="module")
def frames() -> np.ndarray:
    """Pixels that say where they stand: every value of a channel is unique to its place."""
    clip, t, y, x = np.meshgrid(*(np.arange(n) for n in (CLIPS, *SHAPE)), indexing="ij")
    return np.stack([clip * SHAPE[0] + t, y, x], axis=-1).astype(np.uint8)


def test_shapes_and_samples_of_the_stages(frames: np.ndarray) -> None:
    batches = list(crop_batches(frames, STAGES, seed=0))
    assert [b["frames"].shape for b in batches] == [(4, 2, 4, 4, 3)] * 3 + [(2, *SHAPE, 3)] * 2
    assert all(b["frames"].dtype == np.uint8 for b in batches)
    samples = np.concatenate([b["sample_index"] for b in batches])
    assert samples.dtype == np.uint32
    np.testing.assert_array_equal(samples, [[0, i] for i in range(3 * 4 + 2 * 2)])


def test_a_crop_is_cut_from_one_place_of_one_clip(frames: np.ndarray) -> None:
    for batch in crop_batches(frames, STAGES, seed=1):
        for crop in batch["frames"]:
            time, top, left = crop[0, 0, 0]
            clip, first = divmod(int(time), SHAPE[0])
            t, h, w = crop.shape[:3]
            whole = frames[clip, first : first + t, top : top + h, left : left + w]
            np.testing.assert_array_equal(crop, whole)


def test_a_crop_depends_on_seed_and_sample_alone(frames: np.ndarray) -> None:
    whole = list(crop_batches(frames, STAGES, seed=2))
    for start in range(6):
        rest = list(crop_batches(frames, STAGES, seed=2, start=start))
        assert len(rest) == 5 - start
        for a, b in zip(rest, whole[start:], strict=True):
            np.testing.assert_array_equal(a["frames"], b["frames"])
            np.testing.assert_array_equal(a["sample_index"], b["sample_index"])
    halved = (CropStage(6, 2, (2, 4, 4)),)
    split = np.concatenate([b["frames"] for b in crop_batches(frames, halved, seed=2)])
    np.testing.assert_array_equal(split, np.concatenate([b["frames"] for b in whole[:3]]))
    other = next(crop_batches(frames, STAGES, seed=3))
    assert (other["frames"] != whole[0]["frames"]).any()


def test_every_place_is_as_likely(frames: np.ndarray) -> None:
    stage = (CropStage(10**6, 50, (2, 4, 4)),)
    corners = np.concatenate(
        [b["frames"][:, 0, 0, 0] for b in islice(crop_batches(frames, stage, seed=4), 40)]
    )
    clips, times = np.divmod(corners[:, 0], SHAPE[0])
    for values, count in ((clips, 5), (times, 5), (corners[:, 1], 5), (corners[:, 2], 7)):
        assert chisquare(np.bincount(values, minlength=count)).pvalue > 1e-3
        assert values.max() == count - 1


def test_a_crop_larger_than_the_clips_is_refused_before_any_is_cut(frames: np.ndarray) -> None:
    stages = (*STAGES, CropStage(1, 1, (7, 8, 10)))
    with pytest.raises(ValueError, match=r"a crop of \(7, 8, 10\) .* does not fit into clips of"):
        next(crop_batches(frames, stages, seed=0))
