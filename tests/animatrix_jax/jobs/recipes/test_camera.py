"""The camera recipe: what is kept of drawn clips, what is true of them, and a run in small."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from animatrix_data.procedural import Size
from animatrix_data.procedural.camera import MOVEMENTS
from animatrix_data.procedural.oracles.patterns import Patterns
from animatrix_data.taxonomy import parse_tags
from animatrix_jax.evaluation.oracles import load_oracles
from animatrix_jax.jobs import train
from animatrix_jax.jobs.recipes import camera_clips
from animatrix_jax.jobs.recipes.camera import (
    CameraSettings,
    drawings,
    movement_thresholds,
    selective_tables,
)
from animatrix_jax.jobs.recipes.camera_clips import see_clips, told_truth
from animatrix_jax.jobs.recipes.drawings import Drawing
from animatrix_jax.models.oracle_camera import FIELD, TOLD, CameraConfig

SMALL = Size(32, 32, 9, 8)


def small(folder: Path) -> dict[str, Any]:
    """A run that draws six clips, half of them to learn from, and three to measure on."""
    return {
        "kept": str(folder / "kept"), "clip": (17, 32, 32), "fps": 16.0, "skip": 2, "clips": 6,
        "parts": 2, "examined": 3, "steps": 2, "batch": 2, "processes": 1, "cells": (8, 8, 8),
        "course": 8, "hidden": 16, "careful": 0.0,
    }  # fmt: skip


def test_what_was_seen_of_clips_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(camera_clips, "CHUNK", 2)
    drawing = Drawing("moves", SMALL, seed=8, clips=3, coded=8)
    first = see_clips([drawing], tmp_path)
    assert len(first) == 3 and first.told.shape == (3, TOLD)
    assert [part.shape[0] for part in first.patterned] == [3, 3, 3]
    assert {part.dtype for part in (*first.patterned, first.told)} == {np.dtype(np.float16)}
    assert len(list(tmp_path.iterdir())) == 2

    def drawn_again(*_: object) -> None:
        raise AssertionError("what is kept is not drawn again")

    monkeypatch.setattr(camera_clips, "see_clip", drawn_again)
    again = see_clips([drawing], tmp_path)
    assert again.specs == first.specs
    for one, other in zip(again.patterned, first.patterned, strict=True):
        np.testing.assert_array_equal(one, other)


def test_the_truth_is_told_along_the_pattern() -> None:
    profile = np.full((1, 4), 0.5, np.float32)
    blank = np.zeros((1, 1), np.float32)
    found = Patterns(blank, blank, blank, profile, np.array([0.1], np.float32))
    camera = np.zeros((1, 5, 5))
    camera[0, :, 0] = np.arange(5) * 3.2
    camera[..., (2, 4)] = 1.0
    points = np.full((1, 5, 2, 2), 16.0)
    points[0, :, 1, 1] = [16, 12, 8, 4, 0]
    told = told_truth(camera, points, found, 32)[0]
    # 0.1 frame heights a pair to the right; the hip rises by an eighth a pair to the upper edge.
    np.testing.assert_allclose(told[0], np.arcsinh(3 * 0.5 * 4 * 0.1 / 0.1), rtol=1e-5)
    np.testing.assert_allclose(told[8], np.arcsinh(-3 * 0.5 * 0.5 / 0.1), rtol=1e-5)
    np.testing.assert_allclose(told[1:8], 0, atol=1e-6)
    np.testing.assert_allclose(told[9:], [0, 0, 0, -0.5], atol=1e-6)


def test_clips_are_drawn_at_the_rate_at_which_they_are_read() -> None:
    settings = CameraSettings(Path("kept"), (33, 128, 128), 16.0, 2, 6, 1, 1, parts=3, seed=100)
    to_learn, to_measure = drawings(settings)
    assert [drawing.seed for drawing in to_learn] == [100, 100_100, 200_100]
    assert {drawing.size for drawing in to_learn} == {Size(128, 128, 17, 8.0)}
    assert to_measure.size == Size(128, 128, 17, 8.0) and to_measure.seed not in range(100, 300_100)


def test_numbers_that_do_not_divide_are_refused_with_a_sentence() -> None:
    with pytest.raises(ValueError, match="skip must divide the 32 steps"):
        CameraSettings(Path("kept"), (33, 128, 128), 16.0, 3, 6, 1, 1)
    with pytest.raises(ValueError, match="2 parts or more must divide the 6 clips, not 4"):
        CameraSettings(Path("kept"), (33, 128, 128), 16.0, 2, 6, 1, 1, parts=4)


def test_what_is_not_sure_enough_is_not_counted() -> None:
    settings = CameraSettings(Path("kept"), (17, 32, 32), 16.0, 2, 6, 1, 1)
    config = CameraConfig({FIELD: ("Static", "Pan left", "Pan right")}, 17, 32, 32)
    texts = ("Static", "Static", "Pan left", "Pan right", "Pan right")
    specs = [parse_tags(f"CameraMotion: {text}") for text in texts]
    # The third clip is misread, less surely than the second Static and the pans are read right.
    rows = np.array([[0.9, 0.1, 0], [0.8, 0.1, 0.1], [0.6, 0.4, 0], [0, 0.3, 0.7], [0.1, 0.5, 0.4]])
    thresholds = movement_thresholds(config, specs, rows, settings.careful, 0.0)
    assert 0.6 < thresholds["Static"] == thresholds["Pan"] <= 0.7
    tables = selective_tables(config, specs, rows, thresholds)
    pans = tables["CameraMovement"]["Pan"]
    assert (pans.raw, pans.clips, pans.read) == (1.0, 2, 2 / 3)
    assert tables["CameraMovement"]["Static"].read == 1.0
    # A movement that is right in the wrong direction is read, and wrongly.
    assert (tables[FIELD]["Pan right"].raw, tables[FIELD][""].clips) == (0.5, 4)
    assert (tables[FIELD]["Pan left"].clips, tables[FIELD]["Pan left"].read) == (0, 0.0)


def test_a_run_leaves_an_oracle_that_reads_clips(tmp_path: Path) -> None:
    config = {"recipe": "camera", "settings": small(tmp_path), "seed": 0, "cadence": {}}
    numbers = train.run(config, tmp_path / "run")
    assert {FIELD, "CameraMovement", "CameraMovement_least"} <= set(numbers)
    oracles = load_oracles(tmp_path / "run")
    assert oracles.learned is None and oracles.camera is not None
    assert oracles.sampler == "moves" and oracles.size == Size(32, 32, 17, 16.0)
    assert oracles.accuracy[FIELD].clips == 3 and oracles.accuracy[FIELD].reconstructed is None
    reading = oracles(np.zeros((17, 64, 64, 3), np.uint8), 16.0)
    assert set(reading) == {FIELD} and sum(reading[FIELD].values()) == pytest.approx(1, abs=1e-4)
    card = replace(oracles.camera.card, thresholds=dict.fromkeys(MOVEMENTS, 1.1))
    unsure = replace(oracles, camera=replace(oracles.camera, card=card))
    assert unsure(np.zeros((17, 64, 64, 3), np.uint8), 16.0) == {}
    with pytest.raises(ValueError, match="reads 17 frames at 16 fps; a clip has 9 at 16"):
        oracles(np.zeros((9, 64, 64, 3), np.uint8), 16.0)
