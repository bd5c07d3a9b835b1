"""The path of a camera that jolts, from whole frames: a jump loses corners, but not the picture.

Frames without their shades are correlated with each other where a background is likely; the places
that agree best with all of these correlations at once are the path, to two pixels. It is then made
exact on the picture that the frames, laid on each other, have in common.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import fft

from animatrix_data.procedural.oracles.registration import Complex, background_prior

Plane = NDArray[np.float32]
Places = NDArray[np.int64]

COARSE, REACH = 2, 9
"""Pixels of a frame to a pixel of the correlations, and how many of these a place may lie from the
middle of all."""
KEYS = 33
"""The most frames with which each is correlated; others of a longer clip are placed by them."""
LEADS = (0.25, 0.75)
"""Shares of the frames at which the search begins; the places that agree better are kept."""
SWEEPS = 6
"""The most times that each frame is placed again."""
NEUTRAL = 0.15
"""The prior below which a pixel has no say."""
SMOOTH, ROUNDS, NOISE = 0.8, 3, 0.35
"""Sigma (pixels) by which frames are smoothed to be made exact, how often they are, and the
difference from the common picture at which a pixel loses weight."""


def jolted(frames: Sequence[Plane]) -> Complex:
    """Return the shift [T] (pixels as x + iy, from the first frame) that explains frames [H, W]."""
    keys = np.unique(np.linspace(0, len(frames) - 1, min(len(frames), KEYS)).round().astype(int))
    likeness = _likeness(frames, keys)
    found = [_placed(likeness, keys, round(lead * (len(keys) - 1))) for lead in LEADS]
    places, _ = max(found, key=lambda pair: pair[1])
    shift = _exact(frames, COARSE * (places[:, 1] + 1j * places[:, 0]), keys)
    return shift - shift[0]


def _weights(height: int, width: int) -> Plane:
    """Return what each pixel's say is worth, [H, W]."""
    y, x = np.mgrid[:height, :width]
    places = ((x + 0.5) - width / 2) / height + 1j * ((y + 0.5) / height - 0.5)
    return np.maximum(background_prior(places) - NEUTRAL, 0).astype(np.float32)


def _likeness(frames: Sequence[Plane], keys: Places) -> Plane:
    """Return how alike key frames K and frames T are when a frame is moved, [K, T, D, D].

    The moves go from -2 · REACH to 2 · REACH coarse pixels, down and across.
    """
    height, width = (max(edge // COARSE, 1) for edge in frames[0].shape)
    small = np.stack([cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA)
                      for frame in frames])  # fmt: skip
    size = tuple(cv2.getOptimalDFTSize(edge + 2 * REACH) for edge in (height, width))
    weighed = fft.rfft2(small * _weights(height, width), size)
    plain = fft.rfft2(small, size)
    span = 4 * REACH + 1
    likeness = np.empty((len(keys), len(frames), span, span), np.float32)
    for row, key in enumerate(keys):
        for there, here in ((plain, weighed[key]), (weighed, plain[key])):
            both = fft.irfft2(here.conj() * there, size)
            seen = np.roll(both, (2 * REACH, 2 * REACH), (1, 2))[:, :span, :span]
            likeness[row] = seen if there is plain else likeness[row] + seen
    return likeness


def _placed(likeness: Plane, keys: Places, lead: int) -> tuple[Places, float]:
    """Return where each frame lies, [T, 2] coarse pixels down and across, and how well all agree.

    Key frames are placed one after the other from a leading one on, then all again.
    """
    span = 2 * REACH + 1
    places = np.zeros((likeness.shape[1], 2), np.int64)

    def best(frame: int, rows: Sequence[int]) -> tuple[Places, float]:
        total = np.zeros((span, span), np.float32)
        for row in rows:
            down, across = REACH - places[keys[row]]
            total += likeness[row, frame, down : down + span, across : across + span]
        at = np.unravel_index(int(total.argmax()), total.shape)
        return np.array(at) - REACH, float(total.max())

    order = sorted(range(len(keys)), key=lambda row: abs(row - lead))
    for done, row in enumerate(order[1:], 1):
        places[keys[row]], _ = best(int(keys[row]), order[:done])
    agreed = 0.0
    for _ in range(SWEEPS):
        before, agreed = places.copy(), 0.0
        for frame in range(len(places)):
            places[frame], score = best(frame, [r for r in order if keys[r] != frame])
            agreed += score
        places -= np.round(places.mean(axis=0)).astype(np.int64)
        places = np.clip(places, -REACH, REACH)
        if (places == before).all():
            break
    return places, agreed


def _exact(frames: Sequence[Plane], shift: Complex, keys: Places) -> Complex:
    """Return shifts [T] (pixels) at which frames agree best with the picture common to them.

    Each round moves each frame by what its difference from that picture's gradient tells (Lucas
    and Kanade); what covers the background differs much, and loses its say.
    """
    height, width = frames[0].shape
    weights = _weights(height, width)
    smooth = [cv2.GaussianBlur(frame, (0, 0), SMOOTH) for frame in frames]
    shift = shift - complex(np.median(shift.real), np.median(shift.imag))
    for _ in range(ROUNDS):
        laid = [
            cv2.warpAffine(frame, np.array([[1, 0, at.real], [0, 1, at.imag]]), (width, height),
                           flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
                           borderMode=cv2.BORDER_REPLICATE)
            for frame, at in zip(smooth, shift, strict=True)
        ]  # fmt: skip
        common = np.median([laid[key] for key in keys], axis=0).astype(np.float32)
        slope = np.stack([cv2.Scharr(common, cv2.CV_32F, *way) / 32 for way in ((1, 0), (0, 1))])
        moves = []
        for frame in laid:
            missed = frame - common
            say = weights / (1 + (missed / NOISE) ** 2) ** 2
            normal = np.einsum("ayx,byx->ab", slope * say, slope) + 1e-3 * np.eye(2)
            move = np.linalg.solve(normal, np.einsum("ayx,yx->a", slope * say, missed))
            moves.append(complex(*np.clip(move, -1, 1)))
        shift = shift - np.array(moves)
    return shift
