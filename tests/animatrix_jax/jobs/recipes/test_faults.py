"""The fault recipe: what is kept of drawn frames, what their maps say, and a run in small."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from animatrix_data.procedural import Size, sample_faults
from animatrix_jax.evaluation.oracles import load_oracles
from animatrix_jax.jobs import train
from animatrix_jax.jobs.recipes import fault_frames
from animatrix_jax.jobs.recipes.drawings import Drawing
from animatrix_jax.jobs.recipes.fault_frames import (
    KINDS,
    SOUND,
    kinds_of,
    row_type,
    see_clip,
    see_frames,
)
from animatrix_jax.jobs.recipes.faults import FaultSettings

SMALL = Size(32, 32, 9, 8)


def small(folder: Path) -> dict[str, Any]:
    """A run on frames of six clips, measured on forty clips."""
    return {
        "kept": str(folder / "kept"), "clip": (5, 32, 32), "fps": 8.0,
        "kinds": ("limb", "face", "outline", "tear", "melt"), "classical": ("tear",),
        "clips": 6, "held_out": 6,
        "examined": 40, "exam_seed": 9_500_030, "steps": 2, "batch": 2, "crop": 16,
        "processes": 1, "dims": (8, 8, 8), "hidden": 16,
    }  # fmt: skip


def test_frames_are_kept_and_not_drawn_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fault_frames, "CHUNK", 2)
    drawing = Drawing("broken", SMALL, seed=9_000_000, clips=3, coded=2)
    first = see_frames(drawing, tmp_path)
    assert len(first) == 2 == len(list(tmp_path.iterdir()))
    assert first[0].dtype == row_type(SMALL)
    kinds = kinds_of(first)
    assert (kinds == SOUND).sum() == 9 and len(kinds) > 9

    def drawn_again(*_: object) -> None:
        raise AssertionError("what is kept is not drawn again")

    monkeypatch.setattr(fault_frames, "see_clip", drawn_again)
    for one, other in zip(see_frames(drawing, tmp_path), first, strict=True):
        np.testing.assert_array_equal(one, other)


def test_the_map_says_where_a_frame_differs_from_the_sound_one() -> None:
    drawing = Drawing("broken", SMALL, 0, 1, coded=0)
    seed = next(n for n in range(99) if [f.kind for f in sample_faults(n, "broken")] == ["limb"])
    rows = see_clip(seed, drawing)
    sound, broken = rows[:3], rows[3:]
    assert set(sound["kind"]) == {SOUND} and set(broken["kind"]) == {KINDS.index("limb")}
    assert not sound["changed"].any()
    apart = np.abs(broken["frames"].astype(int) - sound["frames"]).max(axis=-1) > 24
    pixels = apart.reshape(3, 8, 4, 8, 4).sum(axis=(2, 4))
    np.testing.assert_array_equal(broken["changed"], pixels)
    assert broken["changed"].any()


def test_settings_that_cannot_be_are_refused_with_a_sentence() -> None:
    right: dict[str, Any] = {"kept": Path("kept"), "clip": (33, 128, 128), "fps": 16.0,
                             "kinds": ("limb",), "clips": 10, "steps": 1, "batch": 1}  # fmt: skip
    for wrong, why in (
        ({"kinds": ("leg",)}, "there is no fault 'leg'"),
        ({"quiet": {"leg": 0.9}}, "there is no fault 'leg'"),
        ({"classical": ("limb",)}, "the fault 'limb' is not told without a network"),
        ({"crop": 72}, "crop must be a multiple of 16"),
        ({"crop": 144}, "frames of 128x128 hold, not 144"),
        ({"exam_seed": 9_000_300}, "must leave the seeds 9000000 to 9000309"),
    ):
        with pytest.raises(ValueError, match=why):
            FaultSettings(**(right | wrong))


def test_a_run_leaves_an_oracle_that_reads_clips(tmp_path: Path) -> None:
    config = {"recipe": "faults", "settings": small(tmp_path), "seed": 0, "cadence": {}}
    numbers = train.run(config, tmp_path / "run")
    assert "limb_area" in numbers and 0 <= numbers["limb_area"] <= 1
    oracles = load_oracles(tmp_path / "run")
    assert oracles.learned is None and oracles.faults is not None
    assert oracles.sampler == "distinct_faulty" and oracles.size == Size(32, 32, 5, 8.0)
    found = oracles.faults.card.faults
    assert "Fault:limb" in found and 0 <= found["Fault:limb"].auc <= 1
    reading = oracles(np.zeros((5, 64, 64, 3), np.uint8), 8.0)
    assert set(reading) == set(found)
    assert sum(reading["Fault:limb"].values()) == pytest.approx(1)
    with pytest.raises(ValueError, match="reads 5 frames at 8 fps; a clip has 3 at 8"):
        oracles(np.zeros((3, 64, 64, 3), np.uint8), 8.0)
