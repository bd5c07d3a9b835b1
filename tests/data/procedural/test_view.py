"""The view: what camera, shot and angle make of planes, against pixels that are drawn."""

import math

import numpy as np
import pytest
import skia
from hypothesis import given, settings
from hypothesis import strategies as st

from animatrix_data.procedural import DrawnClip, Size, draw_clip
from animatrix_data.procedural.camera import MOVEMENTS, camera_path, readable_move
from animatrix_data.procedural.framing import ANGLES, SHOTS
from animatrix_data.procedural.painter import EXTENT
from animatrix_data.procedural.timing import Build
from animatrix_data.procedural.view import PLANES, Layer, View
from animatrix_data.taxonomy import Tag, parse_tags

SKY, FAR, MIDDLE, GROUND, NEAR = PLANES
FRAMES, FPS, EDGE = 17, 8.0, 96
MOVES = [(name, d) for name in MOVEMENTS for d in MOVEMENTS[name].directions]


def tag(name: str, direction: str | None, amplitude: str = "high", speed: str = "low") -> Tag:
    if direction is None:
        return Tag("CameraMotion", name)
    return Tag("CameraMotion", name, direction=direction, amplitude=amplitude, speed=speed)


def view(moves: list[Tag], angle: str = "Eye Level", width: int = EDGE, shot="Full Shot") -> View:
    camera = camera_path(moves, FRAMES, FPS, 5)
    shape = (FRAMES, EDGE, width)
    return View(camera, SHOTS[shot](Build()), ANGLES[angle], shape, seed=5)


def picture(paint, path: skia.Path) -> skia.Picture:
    recorder = skia.PictureRecorder()
    canvas = recorder.beginRecording(skia.Rect(-EXTENT, -EXTENT, EXTENT, EXTENT))
    canvas.drawPath(path, paint)
    return recorder.finishRecordingAsPicture()


def shown(seen: View, layer: Layer, t: int, width: int = EDGE) -> np.ndarray:
    """What a layer of white paint covers of a frame, in [0, 1]."""
    pixels = np.zeros((EDGE, width, 4), np.uint8)
    canvas = skia.Surface(pixels, skia.kRGBA_8888_ColorType).getCanvas()
    canvas.translate(width / 2, EDGE / 2)
    canvas.scale(EDGE, EDGE)
    seen.draw_layer(canvas, layer, t)
    return pixels[:, :, 3] / 255


WHITE = skia.Paint(AntiAlias=True, Color=skia.ColorWHITE)


def centroid(cover: np.ndarray) -> tuple[float, float]:
    y, x = np.mgrid[: cover.shape[0], : cover.shape[1]] + 0.5
    return float((x * cover).sum() / cover.sum()), float((y * cover).sum() / cover.sum())


@pytest.mark.parametrize("angle", ["Eye Level", "High Angle", "Low Angle", "Dutch Angle"])
@pytest.mark.parametrize(("name", "direction"), [m for m in MOVES if m[0] != "Rack Focus"])
def test_a_mark_on_the_far_layer_moves_as_the_truth_says(
    name: str, direction: str | None, angle: str
) -> None:
    seen = view([tag(name, direction, "low")], angle)
    truth = seen.truth()
    middle = {"High Angle": 0.6, "Low Angle": -0.1}.get(angle, 0.0)
    dot = skia.Path.Circle(0.02, middle, 0.03)
    layer = Layer(picture(WHITE, dot), *FAR)
    start = np.array(centroid(shown(seen, layer, 0))) - EDGE / 2
    for t in (4, FRAMES - 1):
        cos, sin = math.cos(truth["roll"][t]), math.sin(truth["roll"][t])
        turned = np.array([[cos, -sin], [sin, cos]]) @ start * truth["scale"][t]
        told = turned + (truth["dx"][t], truth["dy"][t]) + EDGE / 2
        if (np.abs(told - EDGE / 2) < EDGE / 2 - 6).all():
            np.testing.assert_allclose(centroid(shown(seen, layer, t)), told, atol=0.7)


def test_seen_from_overhead_an_orbit_turns_the_ground() -> None:
    truth = view([tag("Orbit", "cw")], "Overhead").truth()
    assert truth["roll"][-1] < -0.8
    assert truth["scale"] == pytest.approx([1.0] * FRAMES)


@settings(max_examples=25, deadline=None)
@given(
    moves=st.lists(
        st.tuples(st.sampled_from(MOVES), st.sampled_from(["low", "high"])), min_size=1, max_size=3
    ),
    angle=st.sampled_from(ANGLES.names()),
    shot=st.sampled_from(SHOTS.names()),
    wide=st.sampled_from([1.0, 16 / 9]),
)
def test_no_edge_of_the_painting_is_seen(moves, angle: str, shot: str, wide: float) -> None:
    """Whatever the moves, the sky covers the frame, and the ground its lowest row."""
    width = round(EDGE * wide)
    tags = [tag(name, direction, size) for (name, direction), size in moves if name != "Rack Focus"]
    seen = view(tags, angle, width, shot)
    white = picture(WHITE, skia.Path.Rect(skia.Rect(-EXTENT, -EXTENT, EXTENT, EXTENT)))
    plan = ANGLES[angle].plan
    for t in (0, 5, 11, FRAMES - 1):
        cover = shown(seen, Layer(white, *(GROUND if plan else SKY)), t, width)
        assert cover.min() > 0.99
        floor = shown(seen, Layer(white, *GROUND), t, width)
        lowest = floor[-1] if ANGLES[angle].roll == 0 else floor[-1, width // 3 : -width // 3]
        assert lowest.min() > 0.99


@pytest.mark.parametrize(
    ("move", "sign"),
    [
        ("Truck left", 1), ("Truck right", -1), ("Pedestal up", 1), ("Pedestal down", -1),
        ("Follow left", 1), ("Follow right", -1), ("Follow up", 1), ("Follow down", -1),
        ("Orbit ccw", 1), ("Orbit cw", -1), ("Follow in", 1), ("Follow out", -1),
        ("Dolly Zoom in", 1), ("Dolly Zoom out", -1),
    ],
)  # fmt: skip
def test_layers_part_as_a_movement_is_named(move: str, sign: int) -> None:
    """The direction's sign, and how ground and figure move beside the background."""
    name, _, direction = move.rpartition(" ")
    camera = camera_path([tag(name, direction)], FRAMES, FPS, 0)
    axis = 1 if direction in ("up", "down") else 0
    grows = direction in ("in", "out")

    def way(path: np.ndarray) -> float:
        return sign * float(path[-1] - path[0])

    def layer(plane: tuple[float, float]) -> float:
        if grows:
            return way(np.log(camera.depth_scale(plane[0])))
        return way(camera.offset(*plane)[:, axis])

    far, ground, near = layer(FAR), layer(GROUND), layer(NEAR)
    offsets, scales = camera.figure_offset()[:, axis], np.log(camera.depth_scale(1.0))
    figure = way(scales if grows else offsets)
    assert far > 0.05 and layer(SKY) == pytest.approx(far, rel=0.15)
    if name in ("Truck", "Pedestal"):
        assert near > figure > 1.3 * ground > 1.6 * far
    else:
        assert figure == pytest.approx(0.0, abs=1e-9)
        assert {"Follow": ground > 1.5 * far and near > ground,
                "Orbit": 0.8 * far > ground > 0 > near,
                "Dolly Zoom": 0.8 * far > ground > 0 > near}[name]  # fmt: skip


def drawn(words: str) -> DrawnClip:
    spec = parse_tags(f"MotionType: stand, MotionAmplitude: low, {words}")
    return draw_clip(spec, 2, Size(64, 64, 9, 8))


def test_a_figure_that_is_followed_stays_in_the_frame_and_faces_its_way() -> None:
    clip = drawn("shot_type: full shot, camera_motion: follow right (large)")
    hips = np.array(clip.truth["keypoints"]["hip"])
    assert np.ptp(hips[:, 0]) < 2 < 15 < abs(clip.truth["camera"]["dx"][-1])
    camera = camera_path([tag("Follow", "right")], FRAMES, FPS, 0)
    assert (camera.heading, camera_path([tag("Follow", "in")], FRAMES, FPS, 0).heading) == (1, 0)


def test_an_orbit_turns_the_figure() -> None:
    """Seen from more to its right, a figure shows another side, while its place is kept."""
    clip = drawn("shot_type: close-up, camera_motion: orbit cw (large)")
    still = drawn("shot_type: close-up, camera_motion: static")
    head = np.array(clip.truth["keypoints"]["head"])
    assert np.abs(head - np.array(still.truth["keypoints"]["head"])).max() < 2
    x, y = head[0].astype(int)
    face = np.s_[y - 8 : y + 8, x - 8 : x + 8]
    assert np.abs(clip.frames[0][face].astype(int) - clip.frames[-1][face]).mean() > 8


def sharpness(frame: np.ndarray) -> float:
    grey = frame.mean(axis=2)
    return float(np.abs(np.diff(grey, axis=0)).mean() + np.abs(np.diff(grey, axis=1)).mean())


@pytest.mark.parametrize("direction", ["near", "far"])
def test_a_rack_moves_sharpness_between_figure_and_background(direction: str) -> None:
    clip = drawn(f"shot_type: full shot, camera_motion: rack focus {direction} (large)")
    x, y = (int(v) for v in clip.truth["keypoints"]["head"][0])
    figure = [sharpness(f[y - 7 : y + 7, x - 7 : x + 7]) for f in clip.frames[[0, -1]]]
    backdrop = [sharpness(f[:, :16]) for f in clip.frames[[0, -1]]]
    first, last = (0, 1) if direction == "near" else (1, 0)
    assert figure[last] > 1.5 * figure[first]
    assert backdrop[first] > 1.2 * backdrop[last]
    assert clip.truth["camera"]["dx"] == [0.0] * 9


def test_angles_put_horizon_and_figure_where_they_say() -> None:
    """A high angle raises the horizon and enlarges the head, a low one does the reverse."""

    def seen(angle: str) -> tuple[float, float, float]:
        keys = drawn(f"shot_type: full shot, shot_angle: {angle}").truth["keypoints"]
        head, neck, hip, foot = (np.array(keys[n][0]) for n in ("head", "neck", "hip", "foot_l"))
        legs = abs(foot[1] - hip[1])
        lean = math.degrees(math.atan2(*(neck - hip)[[0, 1]] * (1, -1)))
        return float(np.hypot(*(head - neck)) / legs), float(legs), lean

    eye, high, low, above, dutch = (seen(a) for a in ANGLES)
    assert above[0] > high[0] > 1.5 * eye[0] and low[0] < 0.7 * eye[0]
    assert above[1] < high[1] < eye[1] < low[1]
    assert 11 < abs(dutch[2] - eye[2]) < 19
    dot = Layer(picture(WHITE, skia.Path.Circle(0, 0.12, 0.03)), *FAR)
    rows = [centroid(shown(view([], angle), dot, 0))[1] / EDGE for angle in ANGLES.names()[:3]]
    assert rows[1] < 0.3 < 0.55 < rows[0] < 0.7 < 0.8 < rows[2]


def test_a_detail_fills_the_frame_and_stays() -> None:
    """However the figure moves, an extreme close-up keeps the face where it is."""
    spec = parse_tags("MotionType: walk, MotionAmplitude: high, shot_type: extreme close-up")
    keys = draw_clip(spec, 3, Size(64, 64, 9, 8)).truth["keypoints"]
    head, neck = np.array(keys["head"]), np.array(keys["neck"])
    radius = np.hypot(*(head - neck).T) / 0.92
    assert radius.min() > 0.5 * 64
    assert np.ptp(head[:, 1]) < 4 and np.ptp(head[:, 0]) < 10


def test_moves_are_read_where_they_can_be_seen() -> None:
    assert readable_move(tag("Pan", "left"), "Close-Up", "Overhead")
    assert not readable_move(tag("Pan", "left"), "Extreme Close-Up", "Eye Level")
    assert readable_move(tag("Static", None), "Extreme Close-Up", "Eye Level")
    assert not readable_move(tag("Follow", "in"), "Full Shot", "Overhead")


def test_a_sequence_keeps_the_figure_in_the_frame() -> None:
    """Moves that add up are made smaller as a whole; a single move is as large as it says."""
    one = tag("Truck", "left", speed="high")
    assert np.ptp(view([one]).camera.truck) == pytest.approx(0.66)
    many = view([one, one, one]).camera
    assert 0.4 < np.abs(many.figure_offset()[:, 0]).max() <= 0.46
