"""Every effect changes a clip where its entry says that it is seen."""

import pytest

from animatrix_data.procedural import Size
from animatrix_data.procedural.effects import EFFECTS
from animatrix_data.taxonomy import Tag, parse_tags
from tests.data.procedural.effects.regions import difference_in_region

SIZE = Size(64, 64, 17, 8)
BASE = parse_tags(
    "VideoStyle: 2D Japanese Anime, MotionStyle: 2D Daily, MotionType: stand, MotionAmplitude: "
    "medium, MotionSpeed: medium, shot_angle: eye level, camera_motion: static"
)


@pytest.mark.parametrize("name", EFFECTS)
def test_an_effect_is_seen_where_its_entry_says(name: str) -> None:
    shots = EFFECTS[name].shots
    shot = next(s for s in ("Full Shot", "Medium Shot", "Close-Up") if s in shots)
    spec = BASE.replace("ShotScale", [Tag("ShotScale", shot)])
    inside, outside, share = difference_in_region(name, spec, 5, SIZE)
    assert inside > 1.0, "it hardly shows"
    assert inside > outside
    assert share > 0.5
