"""Steady paths of a camera."""

import numpy as np
import pytest

from animatrix_data.procedural.oracles.steady import ARM, Steady, eased


@pytest.mark.parametrize("length", [1.0, 0.4])
def test_an_ease_rises_and_holds(length: float) -> None:
    progress = eased(41, length)
    held = round(40 * length)
    assert (np.diff(progress[: held + 1]) > 0).all()
    assert progress[0] == 0 and (progress[held:] == 1).all()


def test_a_path_ends_at_its_extent() -> None:
    slide, roll = Steady("slide", 0.7, 30 - 10j), Steady("roll", 1.0, 0.5j)
    assert slide.trail(9, 128).shift[-1] * 128 == pytest.approx(30 - 10j)
    assert np.angle(roll.trail(9, 128).turn[-1]) == pytest.approx(0.5)
    assert slide.travel() == pytest.approx(abs(30 - 10j))
    assert roll.travel() == pytest.approx(0.5 * ARM)
