"""Stages draw from their tiers, and short clips are of tier B whatever their label."""

from types import SimpleNamespace

import numpy as np
import pytest

from animatrix_data.corpus.catalogue import TIERS
from animatrix_data.sampling.tiers import effective_tiers, sound_rows, split_stage, stage_rows

LABELS = ("S", "A", "B", "S", "A", "B")
CLIPS = SimpleNamespace(
    tiers=np.array([TIERS.index(tier) for tier in LABELS], np.uint8),
    seconds=np.array([4.0, 5.0, 5.0, 3.9, 2.0, 2.0], np.float32),
    faulty={1: "there is no tag 'x'", 4: "there is no tag 'y'"},
)


def test_short_clips_count_as_b():
    assert [TIERS[tier] for tier in effective_tiers(CLIPS)] == ["S", "A", "B", "B", "B", "B"]
    assert effective_tiers(CLIPS).dtype == np.uint8
    np.testing.assert_array_equal(effective_tiers(CLIPS, 0.0), CLIPS.tiers)


@pytest.mark.parametrize(
    ("stage", "shortest", "rows"),
    [
        ("CT", 4.0, [0, 1, 2, 3, 4, 5]),
        ("SFT", 4.0, [0, 1]),
        ("QT", 4.0, [0]),
        ("DPO", 4.0, [0]),
        ("SFT", 0.0, [0, 1, 3, 4]),
        ("QT", 3.0, [0, 3]),
    ],
)
def test_stages_take_their_tiers(stage, shortest, rows):
    assert stage_rows(CLIPS, stage, shortest).tolist() == rows


@pytest.mark.parametrize(
    ("stage", "shortest", "sentence"),
    [
        ("sft", 4.0, "no stage 'sft'"),
        ("SFT", 6.0, "no clip serves stage SFT: none of 6 is of tier S or A and at least 6 s long"),
        ("QT", 4.5, "none of 6 is of tier S and at least 4.5 s long"),
    ],
)
def test_mistakes_are_named(stage, shortest, sentence):
    with pytest.raises(ValueError, match=sentence):
        stage_rows(CLIPS, stage, shortest)


@pytest.mark.parametrize(
    ("stage", "held_out", "shortest", "train", "measured"),
    [
        ("CT", 1, 4.0, [0, 2, 3], [5]),
        ("CT", 0, 4.0, [0, 2, 3, 5], []),
        ("SFT", 1, 0.0, [0], [3]),
    ],
)
def test_the_last_sound_clips_are_held_out(stage, held_out, shortest, train, measured):
    found = split_stage(CLIPS, stage, held_out, shortest)
    assert [rows.tolist() for rows in found] == [train, measured]
    assert sound_rows(CLIPS, np.array([4, 5, 1, 0])).tolist() == [5, 0]
    with pytest.raises(ValueError, match="held_out 4 leaves nothing of the 4 clips of stage CT"):
        split_stage(CLIPS, "CT", 4)
