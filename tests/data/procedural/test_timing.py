"""MotionStyle: the timing chart of each kinetic dialect."""

import numpy as np
import pytest

from animatrix_data.procedural.timing import (
    AMPLITUDES,
    CYCLES_PER_SECOND,
    KINETICS,
    broken,
    drawing_times,
)
from animatrix_data.taxonomy.vocabulary import load_vocabulary

PHASE = np.linspace(-2 * np.pi, 2 * np.pi, 801)


def test_the_dialects_are_tags() -> None:
    known = {term.name for term in load_vocabulary().of_field("MotionStyle")}
    assert len(KINETICS) >= 5 and set(KINETICS) <= known


@pytest.mark.parametrize("fps", [8, 16, 24])
def test_limited_animation_holds_its_drawings_for_three_eighths_of_a_second(fps: float) -> None:
    times = drawing_times(KINETICS["2D Limited"], 4 * 24, fps)
    lengths = np.diff(np.flatnonzero(np.diff(times)))
    assert (lengths == round(3 * fps / 8)).all()
    assert np.diff(drawing_times(KINETICS["2D Daily"], 24, fps)).min() > 0


def test_broken_timing_holds_the_extremes_and_whips_between() -> None:
    swing = np.sin(broken(PHASE, 0.7))
    assert 0.68 < (np.abs(swing) > 0.999).mean() < 0.76
    assert np.abs(np.diff(swing)).max() > 2.5 * np.abs(np.diff(np.sin(PHASE))).max()


def test_broken_timing_never_runs_back_nor_loses_the_beat() -> None:
    warped = broken(PHASE, 0.7)
    assert (np.diff(warped) >= 0).all() and np.abs(warped - PHASE).max() < np.pi / 2
    np.testing.assert_allclose(broken(PHASE, 0.0), PHASE, atol=1e-12)


def test_amplitudes_and_speeds_rise() -> None:
    for levels in (AMPLITUDES, CYCLES_PER_SECOND):
        assert levels["low"] < levels["medium"] < levels["high"]


def test_every_dialect_is_told_by_build_or_timing() -> None:
    assert len({KINETICS[name] for name in KINETICS}) == len(KINETICS)
    builds = [KINETICS[n].build for n in ("2D Gag", "2D Combat", "3D Daily", "3D Mocap")]
    heads = [build.head / (build.neck - build.hip) for build in builds]
    assert len({round(head, 1) for head in heads}) == len(heads)
