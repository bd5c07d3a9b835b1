"""Props are drawn where the hands are, in the style's colours."""

import numpy as np
import pytest
import skia

from animatrix_data.procedural.character import joints
from animatrix_data.procedural.motion import Pose
from animatrix_data.procedural.props import PROPS, Brush
from animatrix_data.procedural.styles import STYLES
from animatrix_data.procedural.timing import Build

SIDE = 96


def drawn(name: str, pose: Pose, style: str = "2D Japanese Anime") -> np.ndarray:
    prop = PROPS[name](Brush(STYLES[style], 0.02))
    pixels = np.zeros((SIDE, SIDE, 4), np.uint8)
    canvas = skia.Surface(pixels, skia.kRGBA_8888_ColorType).getCanvas()
    canvas.translate(SIDE / 2, 0.9 * SIDE)
    canvas.scale(0.75 * SIDE, 0.75 * SIDE)
    body = joints(pose, Build())
    for draw in (prop.behind, prop.before):
        if draw:
            draw(canvas, body, pose)
    return pixels


@pytest.mark.parametrize("name", PROPS.names())
def test_a_prop_is_large_enough_to_be_seen(name: str) -> None:
    pose = Pose(arm_r=1.2, arm_l=1.0, grip=1.6, prop_x=0.1, prop_y=0.1)
    seen = (drawn(name, pose)[..., 3] > 128).mean()
    assert seen > (0.002 if name == "finger" else 0.006)


@pytest.mark.parametrize("name", ["sword", "gloves", "bottle", "box", "pompoms", "shield"])
def test_what_is_held_follows_the_hand(name: str) -> None:
    def middle(angle: float) -> np.ndarray:
        pose = Pose(arm_r=angle, arm_l=angle, grip=angle)
        ys, xs = np.nonzero(drawn(name, pose)[..., 3])
        return np.array([xs.mean(), ys.mean()])

    high, low = middle(2.4), middle(0.4)
    assert high[1] < low[1] - 5


def test_props_take_the_colours_of_the_style() -> None:
    pose = Pose(arm_r=1.2)
    assert (drawn("box", pose) != drawn("box", pose, "2D Chinese Style")).any()


def test_water_stays_level_under_a_rolling_figure() -> None:
    def rolled(spin: float) -> np.ndarray:
        pose = Pose(spin=spin)
        prop = PROPS["water"](Brush(STYLES["2D Japanese Anime"], 0.0))
        pixels = np.zeros((SIDE, SIDE, 4), np.uint8)
        canvas = skia.Surface(pixels, skia.kRGBA_8888_ColorType).getCanvas()
        canvas.translate(SIDE / 2, 0.9 * SIDE)
        canvas.scale(0.75 * SIDE, 0.75 * SIDE)
        body = joints(pose, Build())
        canvas.rotate(np.degrees(spin), *body.hip)
        assert prop.before
        prop.before(canvas, body, pose)
        return pixels[..., 3].astype(int)

    assert np.abs(rolled(1.4) - rolled(0.0)).mean() < 2
