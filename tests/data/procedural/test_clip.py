"""A drawn clip is a pure function of spec, seed and size, and every tag shows in its pixels."""

import json
import math
import subprocess
import sys
import zlib
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from animatrix_data.procedural import (
    DRAWABLE,
    FAULTS,
    Fault,
    Size,
    Staging,
    draw_clip,
    draw_frames,
    sample_faults,
    sample_spec,
)
from animatrix_data.procedural.content import content_class
from animatrix_data.procedural.faults import conflict
from animatrix_data.procedural.sampler import MOVES, clash
from animatrix_data.procedural.sampler.base import effect_tag, emotions_of, move_tag
from animatrix_data.taxonomy import ProductionSpec, Tag, parse_tags
from animatrix_data.taxonomy.vocabulary import LEVELS

SIZE = Size(64, 64, 17, 8)
BASE = parse_tags(
    "VideoStyle: 2D Japanese Anime, MotionStyle: 2D Daily, MotionType: wave, MotionAmplitude: "
    "medium, MotionSpeed: medium, shot_type: full shot, shot_angle: eye level, camera_motion: "
    "static"
)


def frames_of(spec: ProductionSpec, seed: int = 3, size: Size = SIZE) -> np.ndarray:
    return draw_clip(spec, seed, size).frames


def test_the_same_spec_seed_and_size_give_the_same_clip() -> None:
    for seed in range(4):
        spec = sample_spec(seed)
        first, second = draw_clip(spec, seed, SIZE), draw_clip(spec, seed, SIZE)
        assert np.array_equal(first.frames, second.frames)
        assert first.truth == second.truth
        assert first.directive == second.directive
        assert not np.array_equal(first.frames, draw_clip(spec, seed + 1, SIZE).frames)


def digests(seed: int) -> str:
    clip = draw_clip(sample_spec(seed), seed, Size(32, 32, 3, 8))
    words = f"{clip.truth} {clip.caption} {clip.directive}"
    return f"{zlib.crc32(clip.frames.tobytes())} {zlib.crc32(words.encode())}"


def test_another_process_draws_the_same_clip() -> None:
    script = f"from {__name__} import digests; print(digests(7))"
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert told.stdout.strip() == digests(7), told.stderr


def some(field: str, most: int) -> st.SearchStrategy[list[Tag]]:
    names = st.lists(st.sampled_from(DRAWABLE[field]), unique=True, max_size=most)
    return names.map(lambda chosen: [Tag(field, name) for name in chosen])


PLAIN = ("VideoStyle", "MotionStyle", "MotionAmplitude", "MotionSpeed", "ShotScale", "ShotAngle")
TAGS = st.tuples(
    *(some(field, 1) for field in PLAIN),
    some("MotionType", 3),
    st.lists(st.sampled_from(emotions_of("basic")).map(lambda e: Tag("Emotion", e)), max_size=1),
    st.lists(st.sampled_from(emotions_of("complex")).map(lambda e: Tag("Emotion", e)), max_size=1),
    st.lists(
        st.builds(lambda move, *levels: move_tag(*move, *levels), st.sampled_from(MOVES),
                  st.sampled_from(LEVELS), st.sampled_from(LEVELS)),
        max_size=3,
    ),
    st.lists(st.sampled_from(DRAWABLE["VFX"]).map(effect_tag), unique=True, max_size=5),
)  # fmt: skip
SIZES = st.builds(
    Size, st.integers(32, 70), st.integers(32, 70), st.integers(1, 5), st.floats(1, 60)
)
BROKEN = st.lists(st.builds(Fault, st.sampled_from(FAULTS.names()), st.floats(0.01, 1)), max_size=2)


@settings(deadline=None, max_examples=40, derandomize=True)
@given(TAGS, SIZES, BROKEN, st.integers(0, 2**40))
def test_whatever_goes_together_is_drawn_at_any_size(
    tags: tuple[list[Tag], ...], size: Size, broken: list[Fault], seed: int
) -> None:
    spec = ProductionSpec(tuple(tag for chosen in tags for tag in chosen))
    assume(clash(spec) is None)
    faults = [fault for fault in broken if conflict(fault, spec) is None]
    clip = draw_clip(spec, seed, size, Staging(deformation=(0.0, 1.0)), faults)
    assert clip.frames.shape == (size.frames, size.height, size.width, 3)
    told = [n for path in clip.truth["keypoints"].values() for point in path for n in point]
    told += [n for path in clip.truth["camera"].values() for n in path]
    assert all(math.isfinite(number) for number in told)
    assert len(told) == (2 * 11 + 5) * size.frames


@pytest.mark.parametrize("size", [Size(48, 80, 5, 12), Size(96, 64, 1, 8), Size(128, 128, 9, 16)])
def test_any_size_is_drawn_by_the_same_code(size: Size) -> None:
    frames = frames_of(sample_spec(5), size=size)
    assert frames.shape == (size.frames, size.height, size.width, 3)
    assert frames.dtype == np.uint8
    assert frames.std() > 10


def test_a_larger_frame_shows_the_same_picture() -> None:
    small = frames_of(BASE, size=Size(48, 48, 17, 8))[0].astype(float)
    large = frames_of(BASE, size=Size(96, 96, 17, 8))[0].astype(float)
    halved = large.reshape(48, 2, 48, 2, 3).mean((1, 3))
    assert np.abs(halved - small).mean() < 6


@pytest.mark.parametrize("field", [f for f in DRAWABLE if f not in ("CameraMotion", "VFX")])
def test_every_tag_value_changes_the_pixels(field: str) -> None:
    base = BASE
    if field == "Emotion":
        base = base.replace("ShotScale", [Tag("ShotScale", "Close-Up")])
    drawn = [
        frames_of(base.replace(field, [Tag(field, name)])).astype(float) for name in DRAWABLE[field]
    ]
    for i, one in enumerate(drawn):
        for other in drawn[:i]:
            assert np.abs(one - other).mean() > 0.5


@pytest.mark.parametrize("movement", ["pan left", "tilt up", "push in", "zoom in"])
def test_amplitude_and_speed_of_a_move_change_the_pixels(movement: str) -> None:
    levels = ("slow, small", "slow, large", "fast, small", "fast, large")
    drawn = [
        frames_of(BASE.replace("CameraMotion", parse_tags(f"camera_motion: {movement} ({x})").tags))
        for x in levels
    ]
    for i, one in enumerate(drawn):
        for other in drawn[:i]:
            assert np.abs(one.astype(float) - other).mean() > 0.5


def changes(frames: np.ndarray) -> list[bool]:
    return [bool((before != after).any()) for before, after in pairwise(frames)]


def test_limited_animation_holds_its_drawings() -> None:
    spec = BASE.replace("MotionStyle", [Tag("MotionStyle", "2D Limited")])
    assert changes(frames_of(spec)) == [t % 3 == 2 for t in range(16)]
    assert all(changes(frames_of(BASE)))


def test_truth_is_json_and_complete() -> None:
    clip = draw_clip(sample_spec(9), 9, SIZE)
    truth = json.loads(json.dumps(clip.truth))
    assert truth["faults"] == [] and truth["r_face"] == truth["r_motion"] == 5.0
    assert truth["seed"] == 9 and truth["size"]["frames"] == 17
    assert 0 <= truth["deformation"] <= 1
    assert all(len(track) == 17 for track in truth["keypoints"].values())
    assert all(len(track) == 17 for track in truth["camera"].values())
    assert clip.content == content_class(truth["content"]["place"])


def test_the_head_is_where_the_truth_says() -> None:
    spec = BASE.replace("MotionType", [Tag("MotionType", "jump")])
    with_aura = frames_of(spec.replace("VFX", [Tag("VFX", "Aura")])).astype(float)
    glow = np.abs(with_aura - frames_of(spec)).sum(-1)
    head = draw_clip(spec, 3, SIZE).truth["keypoints"]["head"]
    for t in range(0, 17, 4):
        across = np.nonzero(glow[t].sum(0) > 100)[0]
        assert across.min() < head[t][0] < across.max()


@pytest.mark.parametrize(
    ("tags", "sentence"),
    [
        ("MotionType: dress", "cannot draw MotionType: dress"),
        ("MotionStyle: Hybrid", "there are 2D Combat, 2D Daily"),
        ("VideoStyle: Live Action", "cannot draw VideoStyle: Live Action"),
        ("VFX: Building Collapse", "cannot draw VFX"),
    ],
)
def test_tags_that_cannot_be_drawn_are_refused(tags: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        draw_clip(parse_tags(tags), 0, SIZE)


@pytest.mark.parametrize("seed", range(6))
def test_frames_drawn_alone_are_those_of_the_clip(seed: int) -> None:
    spec = sample_spec(seed, "distinct_faulty")
    faults = sample_faults(seed, "distinct_faulty", spec)
    size, which = Size(48, 48, 9, 8), (2, 5, 8)
    clip = draw_clip(spec, seed, size, faults=faults)
    alone = draw_frames(spec, seed, size, which, faults=faults)
    assert np.array_equal(alone, clip.frames[list(which)])


def test_a_figure_without_arms_differs_where_the_arms_are() -> None:
    truth = draw_clip(BASE, 3, SIZE).truth["keypoints"]
    whole, bare = (draw_frames(BASE, 3, SIZE, [4], armless=armless)[0] for armless in (False, True))
    apart = np.abs(whole.astype(int) - bare).max(axis=-1) > 24
    for name in ("elbow_l", "elbow_r"):
        x, y = (round(of) for of in truth[name][4])
        assert apart[y - 1 : y + 2, x - 1 : x + 2].any()
    x, y = (round(of) for of in truth["head"][4])
    assert not apart[y, x] and apart.mean() < 0.2


def test_a_size_below_the_minimum_is_refused() -> None:
    with pytest.raises(ValueError, match="height is 16, below the minimum of 32"):
        Size(16, 64, 17, 8)


def test_a_point_behind_the_camera_is_recorded_as_out_of_sight() -> None:
    near = BASE.replace("ShotScale", [Tag("ShotScale", "Close-Up")])
    near = near.replace("ShotAngle", [Tag("ShotAngle", "Low Angle")])
    points = draw_clip(near, 3, SIZE).truth["keypoints"]
    assert all(y > 64 for _, y in points["foot_l"] + points["knee_r"])
    assert all(0 < x < 64 and 0 < y < 64 for x, y in points["head"])
    assert np.abs(np.array(list(points.values()))).max() <= 8 * 64
