"""Cutting a video into clips: buckets, crops, timing, the entry floor, interlacing."""

import itertools
import re
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from animatrix_data.corpus.ingest import (
    IngestSettings,
    check_floor,
    choose_size,
    clip_stem,
    crop_box,
    cut,
    fit,
    ingest_video,
    resample,
    resolution_tier,
    small_settings,
)
from animatrix_data.corpus.sidecar import empty_sidecar
from animatrix_data.corpus.video import VideoInfo, decode_video, encode_video, probe_video

SIZES = IngestSettings().sizes
TINY = IngestSettings(
    fps=8.0,
    frames=(5, 9),
    sizes=((32, 48), (48, 32)),
    min_width=32,
    min_height=32,
    min_seconds=0.5,
    min_bitrate=0.0,
)


def combed(count: int = 9, height: int = 64, width: int = 96, shift: int = 6) -> np.ndarray:
    """A white box moving right, its odd rows half a step of time later than its even ones."""
    frames = np.full((count, height, width, 3), 40, np.uint8)
    for index in range(count):
        for parity in (0, 1):
            left = 8 + shift * index + parity * shift // 2
            frames[index, 16 + parity : 48 : 2, left : left + 20] = 220
    return frames


def comb(frames: np.ndarray) -> float:
    """How much neighbouring rows differ beyond rows two apart: high where fields show."""
    luma = frames[..., 1].astype(float)
    near = np.abs(luma[:, 1:-1] - luma[:, :-2]).mean()
    return near - np.abs(luma[:, 2:] - luma[:, :-2]).mean()


def write_interlaced(path: Path, frames: np.ndarray) -> None:
    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=8)
        stream.height, stream.width, stream.pix_fmt = *frames.shape[1:3], "yuv420p"
        stream.options = {"crf": "4", "flags": "+ildct+ilme", "x264-params": "tff=1"}
        stream.codec_context.thread_count = 1
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())


def ingest(video: Path, corpus: Path, settings: IngestSettings = TINY) -> list:
    return ingest_video(video, video.name, corpus, settings, empty_sidecar())


@pytest.mark.parametrize(
    ("source", "size"),
    [
        ((1080, 1920), (720, 1280)),
        ((720, 1280), (720, 1280)),
        ((480, 854), (480, 832)),
        ((270, 480), (480, 832)),
        ((1920, 1080), (1280, 720)),
        ((800, 800), (624, 624)),
        ((1080, 1440), (960, 960)),
        ((736, 1216), (720, 1280)),
    ],
)
def test_the_bucket_is_of_nearest_aspect_and_does_not_enlarge(
    source: tuple[int, int], size: tuple[int, int]
) -> None:
    assert choose_size(*source, SIZES) == size


@given(
    height=st.integers(1, 2000),
    width=st.integers(1, 2000),
    sample_aspect=st.floats(0.5, 2),
    size=st.tuples(st.integers(8, 900), st.integers(8, 900)),
)
def test_a_crop_is_centred_inside_and_touches_two_sides(
    height: int, width: int, sample_aspect: float, size: tuple[int, int]
) -> None:
    top, bottom, left, right = crop_box(height, width, sample_aspect, size)
    assert 0 <= top < bottom <= height
    assert 0 <= left < right <= width
    assert abs(top - (height - bottom)) <= 1
    assert abs(left - (width - right)) <= 1
    assert (bottom - top, right - left)[0] == height or right - left == width
    wanted = size[1] / size[0] / sample_aspect
    error = abs((right - left) - wanted * (bottom - top))
    assert error <= max(1.0, wanted)


def test_fit_keeps_the_middle_and_averages_areas() -> None:
    frame = np.zeros((20, 60, 3), np.uint8)
    frame[:, 20:30], frame[:, 30:40] = 100, 200
    fitted = fit(frame, crop_box(20, 60, 1.0, (10, 10)), (10, 10))
    assert fitted.shape == (10, 10, 3)
    assert (fitted[:, :5] == 100).all()
    assert (fitted[:, 5:] == 200).all()
    checker = np.indices((8, 8)).sum(0)[..., None].repeat(3, 2) % 2 * 200
    assert (fit(checker.astype(np.uint8), (0, 8, 0, 8), (4, 4)) == 100).all()


@pytest.mark.parametrize(
    ("source_fps", "fps", "count", "expected"),
    [
        (8, 8, 5, [0, 1, 2, 3, 4]),
        (16, 8, 6, [0, 2, 4]),
        (8, 16, 3, [0, 0, 1, 1, 2, 2]),
        (24, 16, 7, [0, 2, 3, 5, 6]),
    ],
)
def test_resampling_takes_the_nearest_frame(
    source_fps: int, fps: int, count: int, expected: list[int]
) -> None:
    timed = [(index / source_fps, index) for index in range(count)]
    found = list(resample(timed, fps, source_fps))
    assert len(found) == len(expected)
    errors = [abs(k / fps - index / source_fps) for k, index in enumerate(found)]
    assert max(errors) <= 0.5 / source_fps + 1e-6
    if source_fps != 8 or fps != 16:
        assert found == expected


@given(
    source_fps=st.sampled_from([8.0, 12.0, 24000 / 1001, 25.0, 30000 / 1001, 60.0]),
    fps=st.sampled_from([8.0, 16.0, 24.0]),
    count=st.integers(1, 120),
)
def test_resampling_keeps_length_and_order(source_fps: float, fps: float, count: int) -> None:
    found = list(resample([(k / source_fps, k) for k in range(count)], fps, source_fps))
    assert abs(len(found) - count * fps / source_fps) <= 1
    assert found == sorted(found)
    # The last frame stands in for one that would come after the end.
    steps = [after - before for before, after in itertools.pairwise(found[:-1])]
    assert not steps or max(steps) - min(steps) <= 1


@given(total=st.integers(0, 60), counts=st.sets(st.sampled_from([5, 9, 13, 17]), min_size=1))
def test_cutting_takes_every_frame_once_in_order_and_drops_a_short_rest(
    total: int, counts: set[int]
) -> None:
    windows = list(cut(range(total), counts))
    assert all(len(items) in counts for _, items in windows)
    assert all(items[0] == start for start, items in windows)
    taken = [item for _, items in windows for item in items]
    assert taken == list(range(len(taken)))
    assert 0 <= total - len(taken) < min(counts)


@pytest.mark.parametrize(
    ("height", "width", "tier"),
    [
        (1080, 1920, "1080p"),
        (800, 1920, "1080p"),
        (1920, 1080, "1080p"),
        (720, 1280, "720p"),
        (480, 640, "480p"),
        (270, 480, "sub480p"),
        (2160, 3840, "1080p"),
    ],
)
def test_resolution_tier(height: int, width: int, tier: str) -> None:
    assert resolution_tier(height, width) == tier


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"frames": (16,)}, "4n+1 frames, not 16; 17 is near"),
        ({"frames": ()}, "at least one"),
        ({"sizes": ((64,),)}, "(height, width)"),
        ({"pixel_format": "yuv420p", "sizes": ((65, 64),)}, "even sides, not 65x64"),
        ({"fps": 0.0}, "positive"),
        ({"deinterlace": "maybe"}, "not 'maybe'"),
    ],
)
def test_settings_are_checked(changes: dict, words: str) -> None:
    with pytest.raises(ValueError, match=re.escape(words)):
        IngestSettings(**changes)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"width": 479}, "too small: 479x270, the floor is 480x270"),
        ({"seconds": 1.9}, "too short: 1.90 s"),
        ({"bitrate": 9e4}, "too heavily: 90 kbit/s, the floor is 200"),
        ({}, None),
        ({"height": 480, "width": 270}, None),
    ],
)
def test_entry_floor_of_the_paper(changes: dict, words: str | None) -> None:
    values = {"height": 270, "width": 480, "fps": 24.0, "frames": 60, "seconds": 2.5}
    info = VideoInfo(
        **({"bitrate": 3e5, "sample_aspect": 1.0, "interlaced": False} | values | changes)
    )
    if words is None:
        check_floor(Path("a.mp4"), info, IngestSettings())
    else:
        with pytest.raises(ValueError, match=words):
            check_floor(Path("a.mp4"), info, IngestSettings())


def test_small_settings_lower_the_floor_only() -> None:
    small = small_settings(64, 96, 17, 16.0)
    assert (small.min_width, small.min_height) == (96, 64)
    assert small.min_seconds == 17 / 16
    assert 0 < small.min_bitrate < IngestSettings().min_bitrate
    large = small_settings(720, 1280, 81, 16.0)
    assert (large.min_width, large.min_height, large.min_seconds) == (480, 270, 2.0)


def test_rows_tell_the_clips(tmp_path: Path) -> None:
    encode_video(tmp_path / "My clip!.mp4", combed(16), 8.0, crf=0)
    rows = ingest(tmp_path / "My clip!.mp4", tmp_path / "corpus")
    assert [(row.frames, row.height, row.width, row.fps) for row in rows] == [
        (9, 32, 48, 8.0),
        (5, 32, 48, 8.0),
    ]
    assert [row.source for row in rows] == ["My clip!.mp4#t=0.000", "My clip!.mp4#t=1.125"]
    assert (rows[0].tier, rows[0].content, rows[0].resolution_tier) == ("B", "unknown", "sub480p")
    assert all(row.path == f"clips/{row.id}.mp4" for row in rows)
    small = decode_video(tmp_path / "corpus" / rows[1].path).frames
    area = combed(16)[9:14].reshape(5, 32, 2, 48, 2, 3).mean((2, 4))
    assert np.abs(small - area).mean() < 2
    again = ingest(tmp_path / "My clip!.mp4", tmp_path / "again")
    assert again == rows


def test_interlaced_video_is_deinterlaced_where_flagged(tmp_path: Path) -> None:
    flagged, plain = tmp_path / "flagged.mp4", tmp_path / "plain.mp4"
    write_interlaced(flagged, combed())
    encode_video(plain, combed(), 8.0, crf=4)
    assert probe_video(flagged).interlaced
    assert not probe_video(plain).interlaced
    combing = {
        (path.stem, mode): comb(decode_video(path, deinterlace=mode).frames)
        for path in (flagged, plain)
        for mode in ("flagged", "always", "never")
    }
    assert decode_video(flagged, deinterlace="flagged").frames.shape == combed().shape
    assert combing["flagged", "flagged"] < 0.5 * combing["flagged", "never"]
    assert combing["plain", "flagged"] == combing["plain", "never"]
    assert combing["plain", "always"] < 0.5 * combing["plain", "never"]


def test_pixels_that_are_not_square_are_made_square(tmp_path: Path) -> None:
    path = tmp_path / "wide.mp4"
    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=8)
        stream.height, stream.width, stream.pix_fmt = 64, 48, "yuv420p"
        stream.codec_context.sample_aspect_ratio = 2
        for frame in combed(9, 64, 48, 0):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())
    assert probe_video(path).sample_aspect == 2
    (row,) = ingest(path, tmp_path / "corpus")
    assert (row.height, row.width) == (32, 48)


def test_a_refused_video_leaves_no_clip_behind(tmp_path: Path) -> None:
    encode_video(tmp_path / "whole.mp4", combed(40), 8.0, crf=0)
    content = (tmp_path / "whole.mp4").read_bytes()
    (tmp_path / "cut.mp4").write_bytes(content[: int(len(content) * 0.8)])
    with pytest.raises(ValueError, match="truncated"):
        ingest(tmp_path / "cut.mp4", tmp_path / "corpus")
    assert list((tmp_path / "corpus").rglob("*.mp4")) == []
    encode_video(tmp_path / "short.mp4", combed(4), 8.0)
    with pytest.raises(ValueError, match=r"too short: 0\.50 s, the floor is 0\.62 s \(5 frames"):
        ingest(tmp_path / "short.mp4", tmp_path / "corpus")


def test_clip_names_are_readable_and_their_own() -> None:
    assert clip_stem("a/Ep 01 [BD].mkv").startswith("ep_01_bd_")
    assert clip_stem("a/x.mp4") != clip_stem("b/x.mp4")
    assert clip_stem("夜.mp4").startswith("video_")
