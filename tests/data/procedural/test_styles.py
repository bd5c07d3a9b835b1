"""Styles: known by their surface, complete, and consistent in what they say of light and line."""

import numpy as np
import pytest
import skia

from animatrix_data.procedural.content import LIGHTS
from animatrix_data.procedural.grain import GRAINS, SIDE, grain_shader
from animatrix_data.procedural.registry import generator
from animatrix_data.procedural.sky import CLOUDS, TEXTURES
from animatrix_data.procedural.styles import STYLES
from animatrix_data.procedural.veils import VEILS
from animatrix_data.taxonomy.vocabulary import load_vocabulary

DRAWN_IN_3D = ("3D Cartoon", "3D Pixar/Disney", "3D Realistic CG")


def test_all_styles_of_the_taxonomy_that_can_be_drawn_are_drawn() -> None:
    names = {term.name for term in load_vocabulary().of_field("VideoStyle")}
    assert set(STYLES) == names - {"Live Action", "Other"}


@pytest.mark.parametrize("name", STYLES)
def test_what_a_style_names_exists(name: str) -> None:
    style = STYLES[name]
    assert set(style.skies) == set(LIGHTS)
    assert style.grain in GRAINS
    assert style.clouds in CLOUDS
    assert not style.texture or style.texture in TEXTURES
    assert not style.veil or style.veil in VEILS


@pytest.mark.parametrize("name", STYLES)
def test_volumes_are_lit_smoothly_and_without_lines_only_in_3d(name: str) -> None:
    style = STYLES[name]
    solid = name in DRAWN_IN_3D
    assert (style.volume > 0) == (style.contact > 0) == (style.gloss > 0) == solid
    assert not solid or style.outline == style.scenery_outline == style.brush == 0
    for share in (style.volume, style.gloss, style.contact, style.haze, style.grain_strength):
        assert 0 <= share <= 1


def test_no_two_styles_share_a_grain_or_the_form_of_their_clouds() -> None:
    assert len({style.grain for style in map(STYLES.__getitem__, STYLES)}) == len(STYLES)
    assert len({style.clouds for style in map(STYLES.__getitem__, STYLES)}) == len(STYLES)


@pytest.mark.parametrize("name", GRAINS)
def test_a_grain_has_marks_and_repeats_without_a_seam(name: str) -> None:
    tile = GRAINS[name](generator(0, f"grain {name}"))
    assert tile.shape == (SIDE, SIDE)
    assert tile.dtype == np.float32
    assert np.abs(tile).max() <= 1
    assert tile.std() > 0.1
    for axis in (0, 1):
        steps = np.abs(np.diff(np.concatenate([tile, tile], axis), axis=axis))
        seam = np.take(steps, SIDE - 1, axis).mean()
        assert seam <= 1.5 * steps.mean() + 0.02


def test_a_grain_lies_still_in_the_scene_and_moves_with_its_layer() -> None:
    def shown(shift: int) -> np.ndarray:
        pixels = np.zeros((64, 64, 4), np.uint8)
        canvas = skia.Surface(pixels, skia.kRGBA_8888_ColorType).getCanvas()
        canvas.translate(shift, 0)
        canvas.scale(128, 128)
        shader = grain_shader("watercolour", (1.0, 1.0, 1.0), (0.0, 0.0, 0.0), 0.5)
        canvas.drawRect(skia.Rect(-1, -1, 2, 2), skia.Paint(Shader=shader))
        return pixels.astype(float)

    assert np.abs(shown(5)[:, 5:] - shown(0)[:, :-5]).max() <= 2


@pytest.mark.parametrize("name", VEILS)
def test_a_veil_changes_a_part_of_the_frame_and_leaves_the_rest_to_be_seen(name: str) -> None:
    pixels = np.full((64, 96, 4), 128, np.uint8)
    pixels[..., 3] = 255
    canvas = skia.Surface(pixels, skia.kRGBA_8888_ColorType).getCanvas()
    canvas.translate(48, 32)
    canvas.scale(64, 64)
    VEILS[name](canvas, 1.5)
    change = np.abs(pixels[..., :3].astype(float) - 128).mean(-1)
    assert change.max() > 15
    assert np.median(change) < 40
