"""One video of the outside world into clips of a corpus (paper section 3.1, basic ingestion)."""

import hashlib
import math
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from animatrix_data.corpus.catalogue import CLIPS_FOLDER, ClipRow
from animatrix_data.corpus.sidecar import Sidecar
from animatrix_data.corpus.video import (
    DecodeLimits,
    VideoInfo,
    encode_video,
    probe_video,
    stream_video,
)
from animatrix_data.files import digest_file

type Box = tuple[int, int, int, int]
"""Top, bottom, left and right of a crop, in pixels."""

# Sizes whose aspects differ from the nearest one by less than this (in log) count as as near.
_SAME_ASPECT = 0.05
# A picture fills a bucket whose sides are at most 1 / this of its own.
_LEAST_SHRINK = 0.9


@dataclass(frozen=True)
class IngestSettings:
    """What a video must be to enter a corpus, and what its clips become.

    `fps` is frames per second of the clips; `frames` the frame counts a clip may have, each
    4n+1; `sizes` the (height, width) buckets. The entry floor is the paper's: `min_width` and
    `min_height` hold for the long and the short side in pixels, `min_seconds` for the whole
    video, `min_bitrate` in bits per second for its encoding. `deinterlace` is "flagged", "always"
    or "never". `crf` and `pixel_format` are those of the clips. Raises ValueError for numbers
    that cannot be.
    """

    fps: float = 16.0
    frames: tuple[int, ...] = (33, 49, 65, 81)
    sizes: tuple[tuple[int, int], ...] = (
        (480, 832),
        (832, 480),
        (624, 624),
        (720, 1280),
        (1280, 720),
        (960, 960),
    )
    min_width: int = 480
    min_height: int = 270
    min_seconds: float = 2.0
    min_bitrate: float = 200_000.0
    deinterlace: str = "flagged"
    crf: int = 8
    pixel_format: str = "yuv444p"
    max_clips_per_video: int = 10_000
    limits: DecodeLimits = field(default_factory=DecodeLimits)

    def __post_init__(self) -> None:
        if not self.frames or not self.sizes:
            raise ValueError("Ingesting needs at least one frame count and one size.")
        for count in self.frames:
            if count < 1 or count % 4 != 1:
                near = max(1, 4 * round((count - 1) / 4) + 1)
                raise ValueError(f"A clip has 4n+1 frames, not {count}; {near} is near.")
        for size in self.sizes:
            if len(size) != 2 or min(size) < 1:
                raise ValueError(f"A size is (height, width) in pixels, not {size}.")
            if self.pixel_format == "yuv420p" and any(side % 2 for side in size):
                raise ValueError(f"yuv420p needs even sides, not {size[0]}x{size[1]}.")
        if not self.fps > 0 or self.max_clips_per_video < 1:
            raise ValueError("fps and max_clips_per_video must be positive.")
        if self.deinterlace not in ("flagged", "always", "never"):
            raise ValueError(
                f"deinterlace is 'flagged', 'always' or 'never', not {self.deinterlace!r}."
            )


def small_settings(height: int, width: int, frames: int, fps: float) -> IngestSettings:
    """Return settings for clips of one size, with an entry floor lowered to what that size needs.

    The picture may be as small as the clips, the video as short as one of them, and the bitrate
    floor falls with the pixels.
    """
    paper = IngestSettings()
    small = min(1.0, height * width / (paper.min_height * paper.min_width))
    return IngestSettings(
        fps=fps,
        frames=(frames,),
        sizes=((height, width),),
        min_width=min(paper.min_width, max(height, width)),
        min_height=min(paper.min_height, min(height, width)),
        min_seconds=min(paper.min_seconds, frames / fps),
        min_bitrate=paper.min_bitrate * small,
    )


def resolution_tier(height: int, width: int) -> str:
    """Return "1080p", "720p", "480p" or "sub480p" by the source's pixels (paper section 3.5).

    A letterboxed or upright picture counts by whichever side is the stricter of 16:9.
    """
    lines = max(min(height, width), max(height, width) * 9 / 16)
    for tier in (1080, 720, 480):
        # Codecs crop and authors round: 1072 or 468 lines are still of their tier.
        if lines >= 0.97 * tier:
            return f"{tier}p"
    return "sub480p"


def choose_size(height: float, width: float, sizes: Iterable[tuple[int, int]]) -> tuple[int, int]:
    """Return the (height, width) bucket for a picture: nearest aspect, largest it can fill.

    A picture fills a bucket that enlarges it by a tenth at most. Where it fills none: the
    smallest of the nearest aspect.
    """
    sizes = tuple(sizes)
    fitting = [s for s in sizes if min(height / s[0], width / s[1]) >= _LEAST_SHRINK]
    candidates = fitting or sizes

    def distance(size: tuple[int, int]) -> float:
        return abs(math.log((width / height) / (size[1] / size[0])))

    nearest = min(distance(size) for size in candidates)
    near = [s for s in candidates if distance(s) <= nearest + _SAME_ASPECT]
    ordered = sorted(near, key=lambda s: (s[0] * s[1], -distance(s)))
    return ordered[-1] if fitting else ordered[0]


def crop_box(height: int, width: int, sample_aspect: float, size: tuple[int, int]) -> Box:
    """Return the centred crop of a height×width picture that has the aspect of `size`.

    `sample_aspect` is the width of a source pixel over its height.
    """
    aspect = size[1] / size[0] / sample_aspect
    rows, columns = height, width
    if width > height * aspect:
        columns = max(1, round(height * aspect))
    else:
        rows = min(height, max(1, round(width / aspect)))
    top, left = (height - rows) // 2, (width - columns) // 2
    return top, top + rows, left, left + columns


def fit(frame: np.ndarray, box: Box, size: tuple[int, int]) -> np.ndarray:
    """Crop a uint8 [H, W, 3] frame to `box` and resize it: by area down, by cubic up."""
    top, bottom, left, right = box
    cropped = frame[top:bottom, left:right]
    if cropped.shape[:2] == size:
        return np.ascontiguousarray(cropped)
    shrinks = cropped.shape[0] >= size[0] and cropped.shape[1] >= size[1]
    way = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
    return cv2.resize(np.ascontiguousarray(cropped), (size[1], size[0]), interpolation=way)


def resample[Item](
    timed: Iterable[tuple[float, Item]], fps: float, source_fps: float
) -> Iterator[Item]:
    """Yield at times k / `fps` the item whose time is nearest, until the last one ends.

    `timed` is (seconds, item) in order; the last item lasts 1 / `source_fps` seconds.
    """
    emitted, previous = 0, None
    for seconds, item in timed:
        if previous is not None:
            # The small step decides ties (24 to 16 a second has many) always the same way.
            until = (previous[0] + seconds) / 2 - 1e-6
            while emitted / fps < until:
                yield previous[1]
                emitted += 1
        previous = (seconds, item)
    if previous is not None:
        end = previous[0] + 1 / source_fps
        while emitted / fps < end - 1e-6:
            yield previous[1]
            emitted += 1


def cut[Item](items: Iterable[Item], counts: Iterable[int]) -> Iterator[tuple[int, list[Item]]]:
    """Yield (index of the first item, items): windows of the largest count, then what fits.

    What is left at the end is cut to the largest count that it fills; a rest shorter than the
    smallest count is dropped.
    """
    counts = sorted(counts)
    held: list[Item] = []
    start = 0
    for item in items:
        held.append(item)
        if len(held) == counts[-1]:
            yield start, held
            start, held = start + len(held), []
    while counts and len(held) >= counts[0]:
        count = max(c for c in counts if c <= len(held))
        yield start, held[:count]
        start, held = start + count, held[count:]


def check_floor(path: Path, info: VideoInfo, settings: IngestSettings) -> None:
    """Raise ValueError when a video is under the entry floor, saying which and by how much."""
    long, short = max(info.height, info.width), min(info.height, info.width)
    if long < settings.min_width or short < settings.min_height:
        raise ValueError(
            f"{path} is too small: {info.width}x{info.height}, the floor is "
            f"{settings.min_width}x{settings.min_height}."
        )
    # A file that does not say its length is measured as it is decoded.
    if 0 < info.seconds < settings.min_seconds:
        raise _too_short(path, info.seconds, settings)
    if 0 < info.bitrate < settings.min_bitrate:
        raise ValueError(
            f"{path} is compressed too heavily: {info.bitrate / 1000:.0f} kbit/s, the floor is "
            f"{settings.min_bitrate / 1000:.0f}."
        )


def _too_short(path: Path, seconds: float, settings: IngestSettings) -> ValueError:
    smallest = min(settings.frames)
    floor = max(settings.min_seconds, smallest / settings.fps)
    return ValueError(
        f"{path} is too short: {seconds:.2f} s, the floor is {floor:.2f} s "
        f"({smallest} frames at {settings.fps:g} a second)."
    )


def clip_stem(name: str) -> str:
    """Return a file-name stem for the clips of the video `name`: readable, and unique to it."""
    readable = re.sub(r"[^A-Za-z0-9]+", "_", Path(name).stem).strip("_").lower()[:40] or "video"
    return f"{readable}_{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def ingest_video(
    path: Path,
    name: str,
    corpus: Path,
    settings: IngestSettings,
    sidecar: Sidecar,
    on_clip: Callable[[], None] = lambda: None,
) -> list[ClipRow]:
    """Cut the video at `path` into clips under `corpus`/clips and return their rows.

    `name` is what the rows call their source: the path within the ingested folder. Every clip
    carries what `sidecar` says of the whole video. Raises ValueError for a video that is refused;
    none of its clips is left behind then.
    """
    info = probe_video(path, settings.limits)
    check_floor(path, info, settings)
    rows: list[ClipRow] = []
    written: list[Path] = []
    reader = _Reader(path, info, settings)
    try:
        for start, frames in cut(reader.frames(), settings.frames):
            if len(rows) == settings.max_clips_per_video:
                break
            clip_id = f"{clip_stem(name)}_{len(rows):04d}"
            relative = f"{CLIPS_FOLDER}/{clip_id}.mp4"
            clip = corpus / relative
            written.append(clip)
            encode_video(
                clip,
                np.stack(frames),
                settings.fps,
                crf=settings.crf,
                pixel_format=settings.pixel_format,
            )
            rows.append(
                ClipRow(
                    id=clip_id,
                    path=relative,
                    frames=len(frames),
                    fps=settings.fps,
                    height=frames[0].shape[0],
                    width=frames[0].shape[1],
                    digest=digest_file(clip),
                    caption=sidecar.caption,
                    directive=sidecar.directive,
                    tags=sidecar.tags,
                    content=sidecar.content,
                    resolution_tier=resolution_tier(info.height, info.width),
                    source=f"{name}#t={start / settings.fps:.3f}",
                )
            )
            on_clip()
        if not rows or reader.seconds < settings.min_seconds:
            raise _too_short(path, reader.seconds, settings)
    except BaseException:
        for clip in written:
            clip.unlink(missing_ok=True)
        raise
    return rows


class _Reader:
    """Frames of one video at the rate and size of its clips; `seconds` is what was read so far."""

    def __init__(self, path: Path, info: VideoInfo, settings: IngestSettings) -> None:
        self._path, self._info, self._settings = path, info, settings
        self.seconds = 0.0

    def frames(self) -> Iterator[np.ndarray]:
        """Yield uint8 [h, w, 3] frames; h×w is the bucket chosen by the first of them."""
        box: Box | None = None
        size = (0, 0)
        for convert in resample(self._timed(), self._settings.fps, self._info.fps):
            frame = convert()
            if box is None:
                height, width = frame.shape[:2]
                aspect = self._info.sample_aspect
                if height == self._info.width and width != self._info.width:
                    # The file asks to be turned by a right angle, and its pixels with it.
                    aspect = 1 / aspect
                size = choose_size(height, width * aspect, self._settings.sizes)
                box = crop_box(height, width, aspect, size)
            yield fit(frame, box, size)

    def _timed(self) -> Iterator[tuple[float, Callable[[], np.ndarray]]]:
        settings = self._settings
        for seconds, convert in stream_video(self._path, settings.limits, settings.deinterlace):
            self.seconds = seconds + 1 / self._info.fps
            yield seconds, convert
