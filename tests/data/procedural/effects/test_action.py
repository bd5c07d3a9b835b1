"""Action and motion: when these effects show, and where."""

import numpy as np

from tests.data.procedural.effects.clips import change_of, with_and_without


def test_an_impact_frame_has_two_colours_and_is_over_at_once() -> None:
    changed, plain = with_and_without("Impact Frame")
    struck = [t for t in range(33) if not np.array_equal(changed.frames[t], plain.frames[t])]
    assert 4 <= len(struck) <= 12
    for t in struck:
        assert len(np.unique(changed.frames[t].reshape(-1, 3), axis=0)) == 2
    first = changed.frames[struck[0]].mean(-1)
    assert np.corrcoef(first.ravel(), plain.frames[struck[0]].mean(-1).ravel())[0, 1] < 0.0


def test_focus_lines_leave_the_middle_clear_and_flicker() -> None:
    change = change_of("Focus Lines")
    y, x = np.mgrid[0:64, 0:64] - 31.5
    assert change[:, np.hypot(x, y) < 22].max() == 0.0
    shown = change.mean((1, 2)) > 5
    assert 0.4 < shown.mean() < 1.0
    times = np.flatnonzero(shown)
    assert np.abs(change[times[0]] - change[times[0] + 3]).mean() > 3


def test_an_impact_burst_vanishes_between_its_beats() -> None:
    power = change_of("Impact Burst Lines").mean((1, 2))
    assert power.max() > 8
    assert (power == 0).any()


def test_afterimages_trail_behind_the_figure() -> None:
    changed, plain = with_and_without("Afterimage")
    change = np.abs(changed.frames.astype(float) - plain.frames).mean((0, 1, 3))
    hip = round(np.mean([x for x, _ in changed.truth["keypoints"]["hip"]]))
    behind, before = change[:hip].sum(), change[hip:].sum()
    if changed.truth["content"]["facing"] < 0:
        behind, before = before, behind
    assert behind > 3 * before


def test_ribbons_shoot_across_and_contract() -> None:
    power = change_of("Zip Ribbons").mean((1, 2))
    assert power.max() > 3 * (power.min() + 1)


def test_curved_lines_sweep_around() -> None:
    change = change_of("Curved Speed Lines") > 20
    assert change.any(0).sum() > 2 * change.sum((1, 2)).mean()
