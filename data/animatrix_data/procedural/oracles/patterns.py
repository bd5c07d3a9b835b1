"""The pattern in which a clip moves: what all of its frames have in common, on one grid.

A movement of the camera moves every cell along one course in time, by an amount of its own. So the
flow of all pairs of frames is taken apart into the course that most of it shares and the pattern
that moves along it; what a limb does that swings through a cell, or an effect that passes, weighs
little in it. Beside the pattern stands what similarities of the whole frame and of its upper half,
where the distance is, leave of it, and how fast each cell moves against the distance: there a
figure, the ground and near things stand out.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from animatrix_data.procedural.oracles.parallax import FINE

Floats = NDArray[np.float32]
Numbers = NDArray[np.floating[Any]]

FIT_ROUNDS = 6
SHARE_ROUNDS = 5
OUTLIER = 0.3
"""The squared error, against the mean, at which a cell loses half of its weight in a fit."""
STRAY = 1.0
"""The squared error, against the mean of what is kept, at which one pair's flow in a cell does."""
FASTEST = 2.5
"""How many times faster than the mean flow may be in the first guess at what is shared."""
STRAY_LEAST = 0.002**2
"""What is added to that mean (frame heights): less is noise."""
MISSED = 8.0
"""How many grey levels flow may leave unexplained before it loses half of its weight."""
UNSURE = 0.01
"""The weight of the guess that a cell rests, where the largest that flow can have is 1."""
CLEAR = 0.8
"""The quantile of the cells' motion by which a pattern is measured."""
LEAST = (0.003, 0.006)
"""What is added to it (frame heights), over short and long spans: less motion is noise."""
FAINT = 0.1
"""What is added to the square of the distance's motion when others are measured by it."""
RATES = np.linspace(-1.8, 3.4, 14, dtype=np.float32)
"""The speeds against the distance's that are counted: the arcsinh of three times each."""
ASIDE = (0.15, 0.02)
"""The share of its own and the distance's squared motion, and what is added to it, that a cell may
move across the distance's way before it counts half."""
FEW = 4.0
"""How many cells are as good as none where shares are counted."""
COURSES = 21
FITS = 28
TOTALS = 118
IMAGE = 40
RATE = 32
"""Which channel of the image is how fast a cell moves against the distance, over long spans."""
ENDS = 4
"""How many parts of its time a clip begins and ends with, whose sharpness is compared."""


def _signs(count: int, turned: tuple[int, ...]) -> Floats:
    signs = np.ones(count, np.float32)
    signs[list(turned)] = -1
    return signs


MOVED = 20
"""How many channels of the image are flow: to the right and down, in turn."""
MIRRORED = (
    _signs(IMAGE, tuple(range(0, MOVED, 2))),
    _signs(COURSES, tuple(k for fit in range(4) for k in (4 * fit, 4 * fit + 3))),
    _signs(TOTALS, tuple(k for fit in range(1, 7) for k in (4 * fit, 4 * fit + 3))),
)
"""The signs that image (whose columns also change sides), course and totals take in a mirror."""
REVERSED = (
    _signs(IMAGE, (*range(MOVED), MOVED + 7)),
    _signs(COURSES, tuple(range(16))),
    _signs(TOTALS, tuple(range(4, FITS))),
)
"""The signs that they take where a clip is played backwards."""
REVERSED_IMAGE = (*range(8), 14, 15, 12, 13, 10, 11, 8, 9, *range(16, IMAGE))
"""Which channels of the image then stand where."""


@dataclass(frozen=True)
class Patterns:
    """The patterns of N clips of P pairs of frames.

    image: [N, 32, 32, 40], where what lies, how it moves and looks; course: [N, P, 21], how the
    whole frame and its halves move and how sharp it is, pair by pair; totals: [N, 118], the
    pattern's size, its share of all motion, the similarities that fit it, and how much of the frame
    moves how fast against the distance. profile: [N, P], the course that the pattern follows, of
    unit length; size: [N], the pattern's, in frame heights.
    """

    image: Floats
    course: Floats
    totals: Floats
    profile: Floats
    size: Floats


@dataclass(frozen=True)
class Shared:
    """What the pairs of frames of N clips share.

    pattern: [N, 32, 32, 2] in frame heights along the course `profile` [N, P]; share: [N], of all
    motion; left: [N, 32, 32], what of a cell's motion is not shared; sure: [N, 32, 32] in [0, 1],
    how well it is seen; agreed: how much of what is seen is kept; size: [N] in frame heights.
    """

    pattern: Numbers
    profile: Numbers
    share: Numbers
    left: Numbers
    sure: Numbers
    agreed: Numbers
    size: Numbers

    def against(self, values: Numbers) -> Numbers:
        """Return values [N, …] against the pattern's size."""
        return values / self.size.reshape(-1, *[1] * (values.ndim - 1))


def patterns(short: Numbers, long: Numbers, colours: NDArray[np.uint8]) -> Patterns:
    """Return the patterns of the `Parallax` of N clips: [N, P, …], [N, K, …], [N, T, …]."""
    near, far = (np.asarray(spans, np.float32) for spans in (short, long))
    clear = near[..., 2] / (1 + np.square(np.expm1(near[..., 5]) / MISSED))
    quick = shared_motion(near[..., :2], clear, LEAST[0])
    slow = shared_motion(far[..., :2], far[..., 2], LEAST[1])
    fits, rests, kept, rates, counts = zip(*(_apart(of) for of in (slow, quick)), strict=True)
    parts = far[:, np.linspace(0, far.shape[1] - 1, 4).round().astype(int), ..., :2]
    parts = slow.against(parts.transpose(0, 2, 3, 1, 4).reshape(len(far), FINE, FINE, 8))
    detail, tint = near[..., 4], np.asarray(colours, np.float32) / 255 - 0.5
    ends = max(1, near.shape[1] // ENDS)
    moved = (slow.against(slow.pattern), quick.against(quick.pattern), *(2 * r[0] for r in rests))
    plain = (
        2 * quick.sure,
        2 * slow.sure,
        *kept,
        np.arcsinh(quick.against(quick.left)),
        np.arcsinh(slow.against(slow.left)),
        detail.mean(axis=1) - 2,
        detail[:, -ends:].mean(axis=1) - detail[:, :ends].mean(axis=1),
        near[..., 3].mean(axis=1) - 0.5,
        near[..., 5].mean(axis=1) - 1,
        quick.agreed,
        slow.agreed,
    )
    image = np.concatenate(
        [
            np.arcsinh(2 * np.concatenate(moved, axis=-1)) / 1.5,
            np.arcsinh(3 * parts) / 1.5,
            *(np.arcsinh(4 * r[1]) / 1.5 for r in rests),
            np.stack(plain, axis=-1),
            *rates,
            tint.mean(axis=1),
            4 * np.sqrt(tint.var(axis=1).mean(axis=-1, keepdims=True)),
        ],
        axis=-1,
    )
    totals = [np.log(slow.size) + 3, np.log(quick.size) + 3, quick.share, slow.share]
    fitted = (np.arcsinh(3 * fit) for fit in fits)
    whole = np.concatenate([np.stack(totals, axis=-1), *fitted, *counts], axis=-1)
    course = _course(near, clear, quick)
    return Patterns(*(np.asarray(x, np.float32)
                      for x in (image, course, whole, quick.profile, quick.size)))  # fmt: skip


def _apart(
    of: Shared,
) -> tuple[Numbers, tuple[Numbers, Numbers], Numbers, Numbers, Numbers]:
    """Return how similarities part what is shared: the fits [N, 12] of the whole frame and of its
    upper and lower half, against the pattern's size; what whole and upper half leave
    [N, 32, 32, 2]; how much each cell agrees with the whole; [N, 32, 32, 2] how fast it moves
    against the distance, and how fast the distance would move there; and how much of the frame
    moves how fast [N, 45]."""
    whole, rest, kept = fit_similarity(of.pattern, of.sure)
    upper, above, _ = fit_similarity(of.pattern, of.sure * _half(FINE))
    lower, _, _ = fit_similarity(of.pattern, of.sure * (1 - _half(FINE)))
    distance, pattern = of.against(of.pattern - above), of.against(of.pattern)
    length = np.square(distance).sum(axis=-1)
    rate = (pattern * distance).sum(axis=-1) / (length + FAINT)
    rates = np.stack([np.arcsinh(rate), np.sqrt(length)], axis=-1)
    fits = np.concatenate([whole, upper, lower], axis=-1)
    counts = _counted(pattern, distance, of.sure * of.agreed)
    return of.against(fits), (of.against(rest), of.against(above)), kept, rates, counts


def _counted(pattern: Numbers, distance: Numbers, weight: Numbers) -> Numbers:
    """Return which shares of the upper half, of what lies low and outside, and of the middle move
    at which of `RATES` [N, 3 · 14], and how much is seen of each [N, 3]."""
    moved, length = np.square(pattern).sum(axis=-1), np.square(distance).sum(axis=-1)
    along = (pattern * distance).sum(axis=-1)
    rate = along / (length + 1e-3)
    aside = np.maximum(moved - along * rate, 0) / (ASIDE[0] * (moved + length) + ASIDE[1])
    weight = (weight * length / (length + FAINT) / (1 + aside)).reshape(len(pattern), -1)
    place = np.clip(np.arcsinh(3 * rate), RATES[0], RATES[-1]).reshape(*weight.shape, 1)
    near = np.maximum(0, 1 - np.abs(place - RATES) / (RATES[1] - RATES[0])) * weight[..., None]
    regions = _regions(FINE)
    counted = np.stack([region @ near for region in regions], axis=1)
    seen = weight @ regions.T
    shares = FEW * counted / (seen[..., None] + FEW)
    return np.concatenate([shares.reshape(len(pattern), -1), np.log1p(seen) / 2], axis=-1)


@cache
def _regions(grid: int) -> Floats:
    """Return 1 for the cells of each region of `_counted` [3, G · G]."""
    rows, columns = np.mgrid[0:grid, 0:grid]
    middle = np.abs(2 * columns - grid + 1) < grid * 3 / 8
    upper = rows < grid // 2
    regions = np.stack([upper, ~upper & ~middle, (rows >= grid // 4) & middle])
    return regions.reshape(3, -1).astype(np.float32)


@cache
def _half(grid: int) -> Floats:
    """Return 1 for the cells of the upper half and 0 for those of the lower [grid, grid]."""
    return np.repeat((np.arange(grid) < grid // 2).astype(np.float32)[:, None], grid, axis=1)


def shared_motion(flow: Numbers, weight: Numbers, least: float) -> Shared:
    """Return what the pairs [N, P] of flow [N, P, 32, 32, 2] share by weight [N, P, 32, 32].

    The leading singular vector over time, then by turns the pattern and its course, by weighted
    least squares with a Cauchy loss; `least` is added to the pattern's size.
    """
    trust = np.sqrt(weight.mean(axis=1))[:, None, ..., None]
    speed = np.sqrt(np.square(flow).sum(axis=-1))
    mean = (speed * weight).sum(axis=(1, 2, 3)) / (weight.sum(axis=(1, 2, 3)) + 1e-6)
    excess = np.maximum(1, speed / (FASTEST * mean + 1e-6)[:, None, None, None])
    rows = (flow / excess[..., None] * trust).reshape(*flow.shape[:2], -1)
    small = np.float32(1e-9) * np.eye(flow.shape[1], dtype=np.float32)
    energies, vectors = np.linalg.eigh(rows @ rows.transpose(0, 2, 1) + small)
    profile = vectors[:, :, -1]
    plane, sure = flow.reshape(*flow.shape[:2], -1, 2), weight.reshape(*weight.shape[:2], -1)
    across, down, kept = plane[..., 0], plane[..., 1], sure
    for _ in range(SHARE_ROUNDS):
        known = np.einsum("np,npc->nc", np.square(profile), kept)
        along = (profile[:, :, None] * kept) / (known + UNSURE)[:, None]
        pattern = [(along * way).sum(axis=1) for way in (across, down)]
        rest = sum(np.square(way - profile[:, :, None] * of[:, None])
                   for way, of in zip((across, down), pattern, strict=True))  # fmt: skip
        mean = (rest * kept).sum(axis=(1, 2)) / (kept.sum(axis=(1, 2)) + 1e-6)
        kept = sure / (1 + rest / (STRAY * mean + STRAY_LEAST)[:, None, None])
        going = sum((kept * way * of[:, None]).sum(axis=2)
                    for way, of in zip((across, down), pattern, strict=True))  # fmt: skip
        weighed = (kept * sum(np.square(of) for of in pattern)[:, None]).sum(axis=2)
        profile = going / (weighed + 0.1 * weighed.mean(axis=1, keepdims=True) + 1e-9)
        profile = profile / (np.linalg.norm(profile, axis=1, keepdims=True) + 1e-9)
    # Forwards is where more of the clip goes.
    turn = np.where(profile.sum(axis=1, keepdims=True) < 0, -1, 1).astype(np.float32)
    found = np.stack(pattern, axis=-1) * turn[..., None]
    length = np.sqrt(np.square(found).sum(axis=-1))
    seen = np.einsum("np,npc->nc", np.square(profile), sure)
    cell = flow.shape[2:4]
    return Shared(
        found.reshape(-1, *cell, 2),
        profile * turn,
        energies[:, -1] / (energies.sum(axis=1) + 1e-9),
        np.sqrt(rest.sum(axis=1)).reshape(-1, *cell),
        known.reshape(-1, *cell),
        (known / (seen + 1e-6)).reshape(-1, *cell),
        np.quantile(length, CLEAR, axis=1) + least,
    )


def _course(near: Floats, clear: Floats, quick: Shared) -> Numbers:
    """Return how the whole frame moves and how sharp it is, pair by pair [N, P, 21]."""
    weight = _coarser(clear[..., None])[..., 0]
    flow = _coarser(near[..., :2] * clear[..., None]) / (weight[..., None] + 1e-6)
    half = _half(weight.shape[-1])
    fit, rest, _ = fit_similarity(flow, weight)
    upper, lower = (fit_similarity(flow, weight * of)[0] for of in (half, 1 - half))
    error = np.sqrt(np.square(rest).sum(axis=-1).mean(axis=(2, 3)))
    detail, edge = near[..., 4], FINE * 5 // 16
    inner = detail[:, :, edge : FINE - edge, edge : FINE - edge]
    said = (2 * quick.profile, error / 0.01, detail.mean(axis=(2, 3)) - 2,
            inner.mean(axis=(2, 3)) - 2, clear.mean(axis=(2, 3)))  # fmt: skip
    moved = (fit / 0.004, *(3 * quick.against(of) for of in (fit, upper, lower)))
    return np.concatenate([np.arcsinh(np.concatenate(moved, -1)), np.stack(said, axis=-1)], axis=-1)


def _coarser(cells: Numbers) -> Numbers:
    """Return the mean of squares of two cells."""
    *rest, height, width, dim = cells.shape
    return cells.reshape(*rest, height // 2, 2, width // 2, 2, dim).mean(axis=(-4, -2))


def fit_similarity(flow: Numbers, weight: Numbers) -> tuple[Numbers, Numbers, Numbers]:
    """Return the similarities that explain flow [..., G, G, 2] by weight [..., G, G].

    (x, y, growth, turn) [..., 4], the flow's own unit at the middle and a frame height beside it;
    what they leave of the flow; and in [0, 1] how much each cell agrees. Least squares, iteratively
    reweighted by a Cauchy loss.
    """
    grid = flow.shape[-2]
    basis, products = _basis(grid)
    plane, sure = flow.reshape(-1, grid * grid, 2), weight.reshape(-1, grid * grid)
    along = np.einsum("nij,bni->bnj", basis, plane)
    kept = sure
    for _ in range(FIT_ROUNDS):
        normal = (kept @ products).reshape(-1, 4, 4) + 1e-4 * np.eye(4)
        wanted = np.einsum("bn,bnj->bj", kept, along)[..., None]
        fit = np.linalg.solve(normal, wanted)[..., 0].astype(flow.dtype)
        rest = plane - np.einsum("nij,bj->bni", basis, fit)
        error = np.square(rest).sum(axis=-1)
        mean = (error * sure).sum(axis=-1, keepdims=True) / (
            sure.sum(axis=-1, keepdims=True) + 1e-6
        )
        kept = sure / (1 + error / (OUTLIER * mean + 1e-7))
    agreed = (kept / (sure + 1e-6)).reshape(flow.shape[:-1])
    return fit.reshape(*flow.shape[:-3], 4), rest.reshape(flow.shape), agreed


@cache
def _basis(grid: int) -> tuple[Floats, Floats]:
    """Return what each unit of a similarity moves each cell by [G·G, 2, 4], and its products."""
    at = ((np.arange(grid) + 0.5) / grid - 0.5).astype(np.float32)
    x, y = np.meshgrid(at, at)
    one, none = np.ones_like(x), np.zeros_like(x)
    rows = [np.stack([one, none, x, -y], axis=-1), np.stack([none, one, y, x], axis=-1)]
    basis = np.stack(rows, axis=-2).reshape(grid * grid, 2, 4)
    return basis, np.einsum("nij,nik->njk", basis, basis).reshape(grid * grid, 16)
