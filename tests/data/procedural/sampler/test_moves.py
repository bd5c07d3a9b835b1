"""The sampler `moves` asks the same of the camera as `distinct`, more often."""

from collections import Counter

from animatrix_data.procedural import sample_spec
from animatrix_data.procedural.camera import MOVEMENTS
from animatrix_data.procedural.faults import BODY_SHOTS
from animatrix_data.procedural.sampler import check_drawable
from animatrix_data.procedural.sampler.distinct import CLEAR, clear_way, shows_place

COUNT = 2000
SPECS = [sample_spec(seed, "moves") for seed in range(COUNT)]


def test_every_movement_can_be_told_from_the_others() -> None:
    for spec in SPECS:
        check_drawable(spec)
        (move,), (shot,), (angle,) = (
            spec.get(name) for name in ("CameraMotion", "ShotScale", "ShotAngle")
        )
        assert clear_way(move, shot.name, angle.name)
        if move.name != "Static":
            assert shot.name in BODY_SHOTS and shows_place(spec)
            assert move.amplitude in (None, *CLEAR)


def test_the_camera_seldom_rests_and_follows_in_all_directions() -> None:
    moves = Counter(tag.name for spec in SPECS for tag in spec.get("CameraMotion"))
    assert set(moves) == set(MOVEMENTS)
    assert 0.04 < moves["Static"] / COUNT < 0.25
    assert 0.18 < moves["Follow"] / COUNT < 0.3
    ways = Counter(
        tag.direction for spec in SPECS for tag in spec.get("CameraMotion") if tag.name == "Follow"
    )
    assert set(ways) == {"left", "right", "up", "down", "in", "out"}
    assert min(ways.values()) > COUNT / 60
