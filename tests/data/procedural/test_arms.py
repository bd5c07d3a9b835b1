"""Arms reach what they are asked to reach."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from animatrix_data.procedural.arms import reach, solve_arm
from animatrix_data.procedural.character import joints
from animatrix_data.procedural.motion import JOINTS, Pose, Reach, whole
from animatrix_data.procedural.timing import CHIBI, Build

UPPER, FORE = 0.15, 0.14


@given(st.floats(0.02, 0.28), st.floats(-math.pi, math.pi), st.sampled_from([1, -1]))
def test_a_hand_arrives_where_it_is_wanted(far: float, way: float, bend: int) -> None:
    across, down = far * math.sin(way), far * math.cos(way)
    first, elbow = solve_arm(across, down, UPPER, FORE, bend)
    x = UPPER * math.sin(first) + FORE * math.sin(first + elbow)
    y = UPPER * math.cos(first) + FORE * math.cos(first + elbow)
    assert (x, y) == pytest.approx((across, down), abs=1e-4)
    assert elbow * bend >= 0


@given(st.floats(0.3, 9.0), st.floats(-math.pi, math.pi))
def test_a_hand_that_cannot_arrive_points_there(far: float, way: float) -> None:
    first, elbow = solve_arm(far * math.sin(way), far * math.cos(way), UPPER, FORE, 1)
    assert math.cos(first - way) > 0.99 and abs(elbow) < 0.05


@pytest.mark.parametrize("build", [Build(), CHIBI])
def test_hands_meet_at_the_mouth_of_any_build(build: Build) -> None:
    phase = np.linspace(0, 6, 5)
    tracks, hands = whole(
        {"hand_l": Reach("head", 0.0, 0.8), "hand_r": Reach("head", 0.0, 0.8, -1)},
        phase,
    )
    solved = reach(tracks, hands, build)
    body = joints(Pose(**{name: float(solved[name][2]) for name in JOINTS}), build)
    at = body.head[0], body.head[1] + 0.8 * build.head
    assert body.arm_l[2] == pytest.approx(at, abs=1e-3)
    assert body.arm_r[2] == pytest.approx(at, abs=1e-3)
