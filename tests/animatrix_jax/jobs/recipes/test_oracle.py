"""The oracle recipe: what a sample shows, what it is told, and a whole run in small."""

import json
from pathlib import Path

import numpy as np
import pytest

from animatrix_data.procedural.oracles import NOTHING, studio_labels
from animatrix_data.taxonomy import parse_tags
from animatrix_jax.evaluation.oracles import load_oracles
from animatrix_jax.jobs import draw, train
from animatrix_jax.jobs.recipes.oracle import FIELDS, accuracy_tables, place, target_rows

SPECS = [parse_tags("CameraMotion: pan left"), parse_tags("CameraMotion: static, VFX: Rain")]


def test_targets_name_what_is_asked_and_mirror_the_camera() -> None:
    labels = studio_labels(("CameraMotion", "VFX"))
    rows, mirrored = (target_rows(SPECS, labels, flipped) for flipped in (False, True))
    named = [labels["CameraMotion"][i] for i in rows["CameraMotion"].argmax(1)]
    assert named == ["Pan left", "Static"]
    named = [labels["CameraMotion"][i] for i in mirrored["CameraMotion"].argmax(1)]
    assert named == ["Pan right", "Static"]
    assert [labels["VFX"][i] for i in rows["VFX"].argmax(1)] == [NOTHING, "Rain"]
    np.testing.assert_allclose(rows["VFX"].sum(1), 1.0)


@pytest.mark.parametrize("count", [1, 2, 7, 12])
def test_each_pass_visits_every_clip_once(count: int) -> None:
    for turn in range(3):
        visited = [place(i, count, seed=4) for i in range(turn * count, (turn + 1) * count)]
        assert sorted(visited) == list(range(count))


def test_accuracy_counts_the_camera_with_and_without_direction() -> None:
    read = [{"CameraMotion": ["Pan right", "Static"]}, {"CameraMotion": ["Tilt up", "Static"]}]
    tables = accuracy_tables({"CameraMotion": ("Pan left", "Static")}, SPECS, read)
    whole = tables["CameraMotion"][""]
    assert (whole.raw, whole.reconstructed, whole.clips) == (0.5, 0.5, 2)
    assert tables["CameraMotion"]["Static"].raw == 1.0
    movement = tables["CameraMovement"][""]
    assert (movement.raw, movement.reconstructed) == (1.0, 0.5)


def test_a_run_leaves_an_oracle_that_reads_clips(tiny_model: Path, tmp_path: Path) -> None:
    draw.run(tmp_path / "corpus", clips=6, size="32x32x5@8", seed=50, processes=1)
    settings = {
        "corpus": str(tmp_path / "corpus"), "model": str(tiny_model), "clip": (5, 32, 32),
        "steps": 1, "batch": 2, "held_out": 2, "registered": 1, "dim": 8, "motion_dim": 8,
        "hidden": 24,
    }  # fmt: skip
    config = {"recipe": "oracle", "settings": settings, "seed": 0, "cadence": {}}
    numbers = train.run(config, tmp_path / "run")
    assert {"VFX_raw", "VFX_reconstructed", "CameraMovement_raw"} <= set(numbers)
    card = json.loads((tmp_path / "run/model/oracle/oracle.json").read_text())
    assert card["accuracy"]["ShotScale"]["clips"] == 2
    assert card["classical"]["CameraMotion"]["clips"] == 1
    oracles = load_oracles(tmp_path / "run/model")
    reading = oracles(np.zeros((5, 64, 64, 3), np.uint8), 8.0)
    assert set(reading) == set(FIELDS)
    assert all(sum(scores.values()) == pytest.approx(1.0, abs=1e-4) for scores in reading.values())
    with pytest.raises(ValueError, match="reads 5 frames at 8 fps"):
        oracles(np.zeros((4, 64, 64, 3), np.uint8), 8.0)
    with pytest.raises(ValueError, match=r"clips of \(9, 32, 32\)"):
        train.run(config | {"settings": settings | {"clip": (9, 32, 32)}}, tmp_path / "other")
