"""Video in and out: quality, equal bytes, and a sentence for every file that cannot be used."""

import io
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from animatrix_data.corpus.video import (
    DecodeLimits,
    check_output,
    decode_video,
    encode_video,
    probe_video,
    read_image,
    stream_video,
    upscale,
    write_frames,
    write_gif,
    write_png_folder,
)


def moving_bars(count: int = 9, height: int = 48, width: int = 64) -> np.ndarray:
    """A coloured gradient with a box that moves two pixels a frame."""
    rows = np.linspace(30, 220, height)[:, None, None] * [1.0, 0.6, 0.3]
    columns = np.linspace(0, 60, width)[None, :, None] * [0.2, 0.5, 1.0]
    frames = np.repeat((rows + columns)[None], count, 0).clip(0, 255).astype(np.uint8)
    for index, frame in enumerate(frames):
        frame[10:30, 4 + 2 * index : 20 + 2 * index] = (230, 40, 60)
    return frames


def decibels(left: np.ndarray, right: np.ndarray) -> float:
    return 10 * np.log10(255**2 / np.mean((left.astype(float) - right) ** 2))


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("video") / "clip.mp4"
    encode_video(path, moving_bars(25), 8.0)
    return path


def write_sound(path: Path) -> None:
    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream("aac", rate=16000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 4096), np.float32), "fltp", "mono")
        frame.rate = 16000
        container.mux(stream.encode(frame))
        container.mux(stream.encode())


@pytest.mark.parametrize(
    ("pixel_format", "crf", "floor"), [("yuv444p", 0, 45), ("yuv444p", 16, 34)]
)
def test_round_trip_quality(tmp_path: Path, pixel_format: str, crf: int, floor: float) -> None:
    frames = moving_bars()
    encode_video(tmp_path / "a.mp4", frames, 8.0, crf=crf, pixel_format=pixel_format)
    decoded = decode_video(tmp_path / "a.mp4")
    assert decoded.frames.shape == frames.shape
    assert decoded.frames.dtype == np.uint8
    assert decoded.fps == 8.0
    assert decibels(decoded.frames, frames) > floor


def test_full_chroma_beats_half_chroma_at_equal_crf(tmp_path: Path) -> None:
    frames = moving_bars()
    quality = {}
    for pixel_format in ("yuv444p", "yuv420p"):
        encode_video(tmp_path / "a.mp4", frames, 8.0, crf=8, pixel_format=pixel_format)
        quality[pixel_format] = decibels(decode_video(tmp_path / "a.mp4").frames, frames)
    assert quality["yuv444p"] > quality["yuv420p"] + 3


@pytest.mark.parametrize("scale", [1, 2])
def test_two_runs_give_the_same_bytes(tmp_path: Path, scale: int) -> None:
    contents = set()
    for _ in range(12):
        # Other contents of the heap must not show in the bytes.
        junk = np.random.default_rng(len(contents)).bytes(200_000)
        encode_video(tmp_path / "a.mp4", moving_bars(), 23.976, scale=scale)
        contents.add((tmp_path / "a.mp4").read_bytes())
        del junk
    assert len(contents) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]


def test_stream_agrees_with_decoding_and_counts_seconds(clip: Path) -> None:
    timed = list(stream_video(clip))
    assert np.array_equal(np.stack([convert() for _, convert in timed]), decode_video(clip).frames)
    assert [seconds for seconds, _ in timed] == pytest.approx([k / 8 for k in range(25)])


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"crf": 99}, "crf"),
        ({"pixel_format": "rgb24"}, "pixel_format"),
        ({"scale": 0}, "scale"),
    ],
)
def test_encoding_refuses_wrong_numbers(tmp_path: Path, changes: dict, word: str) -> None:
    with pytest.raises(ValueError, match=word):
        encode_video(tmp_path / "a.mp4", moving_bars(1), 8.0, **changes)
    assert not list(tmp_path.iterdir())


def test_encoding_refuses_wrong_frames(tmp_path: Path) -> None:
    for frames in (np.zeros((0, 4, 4, 3), np.uint8), np.zeros((1, 4, 4, 3)), np.zeros((4, 4, 3))):
        with pytest.raises(ValueError, match="Frames are uint8"):
            encode_video(tmp_path / "a.mp4", frames, 8.0)
    with pytest.raises(ValueError, match="even sides"):
        encode_video(tmp_path / "a.mp4", moving_bars(1, 9, 9), 8.0, pixel_format="yuv420p")


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        (DecodeLimits(max_frames=24), "25 frames, the limit is 24"),
        (DecodeLimits(max_pixels=3000), "3072 pixels in a frame"),
        (DecodeLimits(max_seconds=3.0), "3.125 seconds"),
        (DecodeLimits(max_bytes=10), "bytes, the limit is 10"),
        (DecodeLimits(max_decoded_bytes=10_000), "too large to decode whole"),
    ],
)
def test_each_limit_refuses(clip: Path, limits: DecodeLimits, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        decode_video(clip, limits)


def test_limits_hold_where_the_file_does_not_say(tmp_path: Path, clip: Path) -> None:
    """A raw H.264 stream declares neither frames nor seconds: counting as it decodes must do."""
    raw = tmp_path / "raw.h264"
    with av.open(str(clip)) as source, av.open(str(raw), "w", format="h264") as sink:
        stream = sink.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                sink.mux(packet)
    assert probe_video(raw).frames == 0
    with pytest.raises(ValueError, match="11 frames, the limit is 10"):
        decode_video(raw, DecodeLimits(max_frames=10))


def test_refusals_name_the_file_and_the_fault(tmp_path: Path, clip: Path) -> None:
    whole = clip.read_bytes()
    files = {
        "empty.mp4": (b"", "is empty"),
        "notes.txt": (b"just some notes\n" * 40, "is not a video"),
        "noise.mp4": (bytes(range(256)) * 20, "is not a video"),
        "headless.mp4": (whole[: len(whole) // 40], "is not a video, or is cut short"),
        "tail.mp4": (whole[: int(len(whole) * 0.7)], "is truncated"),
    }
    image = io.BytesIO()
    Image.new("RGB", (64, 48)).save(image, "PNG")
    files["still.png"] = (image.getvalue(), "is not a video")
    for name, (content, words) in files.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ValueError, match=f"{name} .*{words}|{name} {words}"):
            decode_video(tmp_path / name)
    write_sound(tmp_path / "sound.mp4")
    with pytest.raises(ValueError, match="holds only audio"):
        probe_video(tmp_path / "sound.mp4")
    with pytest.raises(ValueError, match="is not a file"):
        probe_video(tmp_path / "absent.mp4")


def test_gif_keeps_its_length_in_time(tmp_path: Path) -> None:
    write_gif(tmp_path / "a.gif", moving_bars(9), 16.0, scale=2)
    with Image.open(tmp_path / "a.gif") as image:
        assert (image.n_frames, image.size) == (9, (128, 96))
        total = 0
        for index in range(image.n_frames):
            image.seek(index)
            total += image.info["duration"]
    assert abs(total - 9 / 16 * 1000) <= 10


def test_png_folder_is_lossless_replaces_its_like_and_spares_other_files(tmp_path: Path) -> None:
    frames = moving_bars(3)
    for count in (3, 2):
        write_png_folder(tmp_path / "out", frames[:count])
        names = sorted(path.name for path in (tmp_path / "out").iterdir())
        assert names == [f"frame_{k:04d}.png" for k in range(count)]
    assert np.array_equal(read_image(tmp_path / "out/frame_0001.png"), frames[1])
    (tmp_path / "out/notes.txt").write_text("mine")
    with pytest.raises(ValueError, match=r"notes\.txt"):
        write_png_folder(tmp_path / "out", frames)
    assert (tmp_path / "out/notes.txt").read_text() == "mine"


def test_write_frames_goes_by_extension(tmp_path: Path) -> None:
    frames = moving_bars(3)
    for name in ("a.mp4", "a.GIF", "a"):
        write_frames(tmp_path / name, frames, 8.0, scale=2)
    assert decode_video(tmp_path / "a.mp4").frames.shape == (3, 96, 128, 3)
    assert read_image(tmp_path / "a.GIF").shape == (96, 128, 3)
    assert read_image(tmp_path / "a/frame_0002.png").shape == (96, 128, 3)
    for call in (check_output, lambda path: write_frames(path, frames, 8.0)):
        with pytest.raises(ValueError, match=r"a\.webm: frames go to \.mp4"):
            call(tmp_path / "a.webm")


def test_upscale_by_one_is_the_same_array() -> None:
    frames = moving_bars(1)
    assert upscale(frames, 1) is frames


def test_read_image_flattens_and_refuses(tmp_path: Path) -> None:
    Image.new("RGBA", (4, 2), (255, 0, 0, 0)).save(tmp_path / "clear.png")
    assert (read_image(tmp_path / "clear.png") == 255).all()
    Image.new("L", (4, 2), 7).save(tmp_path / "grey.png")
    assert read_image(tmp_path / "grey.png").tolist() == [[[7, 7, 7]] * 4] * 2
    with pytest.raises(ValueError, match="too large"):
        read_image(tmp_path / "grey.png", max_pixels=7)
    (tmp_path / "bad.png").write_bytes((tmp_path / "clear.png").read_bytes()[:40])
    (tmp_path / "text.png").write_text("no picture")
    for name in ("bad.png", "text.png"):
        with pytest.raises(ValueError, match="cannot be read as an image"):
            read_image(tmp_path / name)
    with pytest.raises(ValueError, match="is not a file"):
        read_image(tmp_path)


def test_the_turn_that_a_phone_asks_for_is_made(tmp_path: Path) -> None:
    frames = np.zeros((2, 48, 64, 3), np.uint8)
    frames[:, :16, :16] = 255
    encode_video(tmp_path / "a.mp4", frames, 8.0, crf=0)
    content = bytearray((tmp_path / "a.mp4").read_bytes())
    # The track header's matrix (40 bytes after its version) for a quarter turn clockwise.
    start = content.index(b"tkhd") + 4 + 40
    quarter = (0, 1 << 16, 0, -(1 << 16), 0, 0, 48 << 16, 0, 1 << 30)
    content[start : start + 36] = b"".join(n.to_bytes(4, "big", signed=True) for n in quarter)
    (tmp_path / "a.mp4").write_bytes(content)
    turned = decode_video(tmp_path / "a.mp4").frames
    assert turned.shape == (2, 64, 48, 3)
    assert np.abs(turned - np.rot90(frames, -1, (1, 2)).astype(float)).max() <= 4
