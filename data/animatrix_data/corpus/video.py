"""Video in and out: decoding under limits, deterministic encoding, output by extension."""

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.video.reformatter import Colorspace, Interpolation

from animatrix_data.corpus.images import (
    Frames,
    check_frames,
    check_png_folder,
    upscale,
    write_gif,
    write_png_folder,
)
from animatrix_data.corpus.images import read_image as read_image
from animatrix_data.files import whole_file

_EXACT = (
    Interpolation.BICUBIC
    | Interpolation.ACCURATE_RND
    | Interpolation.FULL_CHR_H_INT
    | Interpolation.FULL_CHR_H_INP
    | Interpolation.BITEXACT
)
_NOT_VIDEO = ("tty", "image2", "bin", "idf", "xbin", "adf", "srt", "webvtt", "ass", "data")


@dataclass(frozen=True)
class DecodeLimits:
    """What decoding one file may cost; checked on what the file claims and again as it is decoded.

    `max_pixels` is per frame, `max_bytes` the size of the file, `max_decoded_bytes` the memory
    that whole decoding (`decode_video`) may fill.
    """

    max_frames: int = 500_000
    max_pixels: int = 4096 * 2304
    max_seconds: float = 4 * 3600.0
    max_bytes: int = 64 * 2**30
    max_decoded_bytes: int = 8 * 2**30


@dataclass(frozen=True)
class VideoInfo:
    """What a file says of its video: pixels, frames per second, seconds (0 = not said), bits/s.

    `frames` is the count the container declares (0 = not said). `sample_aspect` is the width of
    a pixel over its height. `interlaced` is the stream's flag.
    """

    height: int
    width: int
    fps: float
    frames: int
    seconds: float
    bitrate: float
    sample_aspect: float
    interlaced: bool


@dataclass(frozen=True)
class DecodedVideo:
    """A whole video in memory: `frames` uint8 [T, H, W, 3] RGB, `fps` frames per second."""

    frames: Frames
    fps: float
    info: VideoInfo


@contextmanager
def _opened(path: Path, limits: DecodeLimits) -> Iterator[Any]:
    """Yield the container of a video file after the checks that need no decoding."""
    if not path.is_file():
        raise ValueError(f"{path} is not a file.")
    size = path.stat().st_size
    if size == 0:
        raise ValueError(f"{path} is empty.")
    if size > limits.max_bytes:
        raise ValueError(f"{path} is too large: {size} bytes, the limit is {limits.max_bytes}.")
    try:
        container = av.open(str(path))
    except (av.FFmpegError, ValueError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is not a video, or is cut short before its index.") from error
    with container:
        names = container.format.name.split(",")
        if any(name in _NOT_VIDEO or name.endswith("_pipe") for name in names):
            raise ValueError(f"{path} is not a video.")
        # Cover art of audio files is a video stream of one picture.
        streams = [s for s in container.streams.video if not _is_cover(s)]
        if not container.streams:
            raise ValueError(f"{path} is not a video, or is cut short before its index.")
        if not streams:
            kind = "only audio" if container.streams.audio else "no video"
            raise ValueError(f"{path} holds {kind}.")
        yield container


def _is_cover(stream: Any) -> bool:
    return bool(stream.disposition & av.stream.Disposition.attached_pic)


def _first_video(container: Any) -> Any:
    return next(s for s in container.streams.video if not _is_cover(s))


def _info(path: Path, container: Any, limits: DecodeLimits) -> VideoInfo:
    stream = _first_video(container)
    context = stream.codec_context
    if context is None or not context.width or not context.height:
        raise ValueError(f"{path} has a video stream that cannot be decoded.")
    durations = []
    if stream.duration and stream.time_base:
        durations.append(float(stream.duration * stream.time_base))
    if container.duration:
        durations.append(container.duration / av.time_base)
    rate = stream.average_rate or stream.guessed_rate or stream.base_rate
    seconds = min(durations, default=0.0)
    info = VideoInfo(
        height=context.height,
        width=context.width,
        fps=float(rate) if rate else 0.0,
        frames=stream.frames or 0,
        seconds=seconds,
        bitrate=float(stream.bit_rate or (8 * path.stat().st_size / seconds if seconds > 0 else 0)),
        sample_aspect=float(stream.sample_aspect_ratio or 1),
        interlaced=_field_order(context) > 1,
    )
    if info.fps <= 0:
        raise ValueError(f"{path} does not say its frame rate.")
    _check(path, limits, info.frames, info.height * info.width, info.seconds)
    return info


def _field_order(context: Any) -> int:
    # 0 unknown, 1 progressive, 2 and above the four kinds of interlacing.
    return int(getattr(context, "field_order", 0) or 0)


def _check(path: Path, limits: DecodeLimits, frames: int, pixels: int, seconds: float) -> None:
    for what, value, limit in (
        ("frames", frames, limits.max_frames),
        ("pixels in a frame", pixels, limits.max_pixels),
        ("seconds", seconds, limits.max_seconds),
    ):
        if value > limit:
            raise ValueError(f"{path} is too large: {value:g} {what}, the limit is {limit:g}.")


def probe_video(path: str | Path, limits: DecodeLimits | None = None) -> VideoInfo:
    """Return what a video file says of itself, decoding nothing.

    Raises ValueError for a file that is absent, empty, no video, audio only, or past a limit.
    """
    limits = limits or DecodeLimits()
    with _opened(Path(path), limits) as container:
        return _info(Path(path), container, limits)


def stream_video(
    path: str | Path, limits: DecodeLimits | None = None, deinterlace: str = "never"
) -> Iterator[tuple[float, Callable[[], np.ndarray]]]:
    """Yield (seconds from the first frame, a call that gives the frame) of a video in order.

    The call returns uint8 [H, W, 3] RGB; a frame that is never asked for costs no conversion.

    `deinterlace` is "never", "flagged" (bwdif on the frames whose interlaced flag is set) or
    "always". Rotation that the file asks for is applied. Raises ValueError as `probe_video`
    does, and for a file that is truncated, changes its frame size, or passes a limit on the way.
    """
    path, limits = Path(path), limits or DecodeLimits()
    with _opened(path, limits) as container:
        info = _info(path, container, limits)
        stream = _first_video(container)
        stream.thread_type = "AUTO"
        count, seconds, start, shape = 0, 0.0, None, None
        try:
            for frame in _decoded(container, stream, deinterlace):
                count += 1
                if frame.time is not None:
                    start = frame.time if start is None else start
                    seconds = frame.time - start
                else:
                    seconds = (count - 1) / info.fps
                _check(path, limits, count, frame.height * frame.width, seconds)
                if shape is not None and shape != (frame.height, frame.width):
                    raise _Refusal(f"{path} changes its frame size at frame {count}.")
                shape = (frame.height, frame.width)
                yield seconds, functools.partial(_to_rgb, frame)
        except _Refusal:
            raise
        except av.FFmpegError as error:
            raise ValueError(
                f"{path} is truncated or damaged: frame {count + 1} cannot be decoded."
            ) from error
        if count == 0:
            raise ValueError(f"{path} is truncated or damaged: no frame can be decoded.")
        _check_whole(path, info, count, seconds)


class _Refusal(ValueError):
    """A sentence of our own, told apart from FFmpeg errors that are ValueErrors too."""


def _check_whole(path: Path, info: VideoInfo, count: int, seconds: float) -> None:
    """Refuse a file that ends well before its own header says it does."""
    end = seconds + 1 / info.fps
    if count < info.frames and end < info.seconds - max(1.5 / info.fps, 0.1):
        raise ValueError(
            f"{path} is truncated: {count} of its {info.frames} frames can be decoded."
        )


def _decoded(container: Any, stream: Any, deinterlace: str) -> Iterator[Any]:
    if deinterlace not in ("never", "flagged", "always"):
        raise ValueError(f"deinterlace is 'never', 'flagged' or 'always', not {deinterlace!r}.")
    if deinterlace == "never":
        yield from container.decode(stream)
        return
    graph = av.filter.Graph()
    source = graph.add_buffer(template=stream)
    only_flagged = "interlaced" if deinterlace == "flagged" else "all"
    # One frame out for one frame in: the frame rate stays what the file says.
    filtered = graph.add("bwdif", f"mode=send_frame:parity=auto:deint={only_flagged}")
    sink = graph.add("buffersink")
    source.link_to(filtered)
    filtered.link_to(sink)
    graph.configure()
    for frame in container.decode(stream):
        graph.push(frame)
        yield from _pulled(graph)
    graph.push(None)
    yield from _pulled(graph)


def _pulled(graph: Any) -> Iterator[Any]:
    while True:
        try:
            yield graph.pull()
        except (av.BlockingIOError, av.EOFError):
            return


def _to_rgb(frame: Any) -> np.ndarray:
    known = (Colorspace.ITU709, Colorspace.ITU601, Colorspace.SMPTE240M, Colorspace.BT2020)
    space = frame.colorspace
    if space not in {int(item) for item in known}:
        # Untagged video follows the habit of the trade: BT.709 from 720 lines up, BT.601 below.
        space = Colorspace.ITU709 if frame.height >= 720 else Colorspace.ITU601
    rgb = frame.reformat(format="rgb24", src_colorspace=int(space), interpolation=_EXACT)
    array = rgb.to_ndarray()
    return np.rot90(array, k=round(frame.rotation / 90)) if frame.rotation else array


def decode_video(
    path: str | Path, limits: DecodeLimits | None = None, deinterlace: str = "never"
) -> DecodedVideo:
    """Decode a whole video: `frames` uint8 [T, H, W, 3] RGB.

    Raises ValueError as `stream_video` does, and when the frames would pass
    `limits.max_decoded_bytes`.
    """
    limits = limits or DecodeLimits()
    info = probe_video(path, limits)
    frames: list[np.ndarray] = []
    for _, convert in stream_video(path, limits, deinterlace):
        frames.append(convert())
        if len(frames) * frames[0].nbytes > limits.max_decoded_bytes:
            raise ValueError(
                f"{path} is too large to decode whole: its frames fill more than "
                f"{limits.max_decoded_bytes} bytes."
            )
    return DecodedVideo(np.stack(frames), info.fps, info)


def encode_video(
    path: str | Path,
    frames: Frames,
    fps: float,
    *,
    crf: int = 16,
    pixel_format: str = "yuv444p",
    scale: int = 1,
    preset: str = "medium",
) -> None:
    """Write frames uint8 [T, H, W, 3] as H.264 mp4; the same frames give the same bytes.

    `crf` 0 (best) to 51; `pixel_format` "yuv444p" (clips to train from) or "yuv420p" (plays
    everywhere; both sides even); `scale` enlarges for looking at. Raises ValueError for wrong
    frames or numbers, OSError when the place cannot be written.
    """
    frames = upscale(check_frames(frames, fps), scale)
    height, width = frames.shape[1:3]
    if not 0 <= crf <= 51:
        raise ValueError(f"crf goes from 0 to 51, not {crf}.")
    if pixel_format not in ("yuv444p", "yuv420p"):
        raise ValueError(f"pixel_format is 'yuv444p' or 'yuv420p', not {pixel_format!r}.")
    if pixel_format == "yuv420p" and (height % 2 or width % 2):
        raise ValueError(f"yuv420p needs even sides, not {height}x{width}.")
    with (
        whole_file(path) as temporary,
        av.open(str(temporary), "w", format="mp4", options={"movflags": "+faststart"}) as container,
    ):
        stream = container.add_stream("libx264", rate=Fraction(fps).limit_denominator(1001))
        stream.height, stream.width, stream.pix_fmt = height, width, pixel_format
        # x264's macroblock tree reads past its rows on AVX-512 when frames are small, and the
        # bytes then differ from run to run.
        stream.options = {"crf": str(crf), "preset": preset, "x264-params": "no-mbtree=1"}
        context = stream.codec_context
        # One thread: the bytes must not depend on how many cores the machine has.
        context.thread_count = 1
        context.colorspace, context.color_range = int(Colorspace.ITU709), 1
        context.color_primaries = context.color_trc = 1
        for array in frames:
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(array), format="rgb24")
            container.mux(
                stream.encode(
                    frame.reformat(
                        format=pixel_format,
                        dst_colorspace=int(Colorspace.ITU709),
                        interpolation=_EXACT,
                    )
                )
            )
        container.mux(stream.encode())


def write_frames(path: str | Path, frames: Frames, fps: float, scale: int = 1) -> None:
    """Write frames by the extension of `path`: .mp4, .gif, or none for a folder of png.

    `scale` enlarges for looking at (an enlarged mp4 is yuv420p, which every browser plays).
    Raises ValueError for another extension.
    """
    check_output(path)
    suffix = Path(path).suffix.lower()
    if suffix == ".mp4":
        viewing = scale > 1 and not any(side * scale % 2 for side in frames.shape[1:3])
        encode_video(
            path, frames, fps, scale=scale, pixel_format="yuv420p" if viewing else "yuv444p"
        )
    elif suffix == ".gif":
        write_gif(path, frames, fps, scale)
    else:
        write_png_folder(path, upscale(check_frames(frames, fps), scale))


def check_output(path: str | Path) -> None:
    """Raise ValueError unless `write_frames` knows what to write at `path`; writes nothing."""
    suffix = Path(path).suffix.lower()
    if suffix not in (".mp4", ".gif", ""):
        raise ValueError(
            f"Cannot write {path}: frames go to .mp4, .gif or a folder (no extension), "
            f"not {suffix}."
        )
    if not suffix:
        check_png_folder(path)
