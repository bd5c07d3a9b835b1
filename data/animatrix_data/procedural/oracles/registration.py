"""Registration of the background over a whole clip, from corners that are tracked.

Corners are followed between frames one apart (Lucas and Kanade, pyramidal; both ways, so that
what does not come back is dropped). Several similarities are found in each pair of frames: those
of the background, of the figure, of an overlay. Which of them may be the background's is decided
for all the clip at once (Viterbi), by where its corners lie and by how steadily it moves; the path
is then fitted to corners tracked over one, two, four and eight frames. Whether it is the
background's path at all is judged in `hypotheses`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from animatrix_data.procedural.oracles.flow import Frames, Grey, greys

Real = NDArray[np.float64]
Complex = NDArray[np.complex128]

WORK_EDGE = 128
"""Frames are brought to this many pixels on their shorter edge."""
CELL, MOST = 8, 200
"""The best corner of every cell of this many pixels is tracked, and at most so many corners."""
WINDOW, LEVELS, RETURN = 9, 3, 0.7
"""Side of the patch that is tracked, pyramid levels, pixels that it may miss on its way back."""
MODELS, SAMPLES = 5, 120
"""Similarities sought in a pair of frames, and pairs of corners that are tried."""
NEIGHBOURS = 2
"""Frames before and after whose similarities are tried in a pair, too."""
NEUTRAL = 0.3
"""The prior at which a corner speaks neither for nor against the background."""
STILLNESS = 0.75
"""What the evidence for no motion is worth: overlays that are fixed to the frame show it too."""
UNSTEADY, UNSTEADY_MOST = 8.0, 1.5
"""Cost of a change of velocity by a pixel a frame, and the change beyond which it grows no more."""
GAPS = ((1, 1), (2, 1), (4, 1), (8, 2))
"""Frames between the ends of the pairs that are fitted, and between one pair and the next."""
AGREEMENT = 0.012
"""How far (frame heights) a pair may lie from the path before it loses weight."""
ROUNDS = 3
"""How often a path is fitted again to the corners near it until it is settled."""
PROBES = np.array([0, 40 + 40j, -40 + 40j, 40 - 40j, -40 - 40j])
"""Where (pixels from the centre) similarities are compared."""


@dataclass(frozen=True)
class Pair:
    """Corners tracked from one frame to another: places [N] from the centre, in pixels, as complex
    numbers (x + iy), and how likely each belongs to the background, [N]."""

    here: Complex
    there: Complex
    prior: Real


@dataclass(frozen=True)
class Models:
    """Similarities q = turn · p + shift of a pair, [K] each, and the evidence for them."""

    turn: Complex
    shift: Complex
    evidence: Real

    def motion(self) -> Complex:
        """Return how the probes move, [K, 5]."""
        return (self.turn[:, None] - 1) * PROBES + self.shift[:, None]


class Tracker:
    """The frames of a clip, ready to be tracked between any two of them."""

    def __init__(self, frames: Frames) -> None:
        even = cv2.createCLAHE(3.0, (4, 4))
        self.plain = greys(frames, WORK_EDGE)
        self.enlarged = WORK_EDGE / min(frames.shape[1:3])
        self.frames: list[Grey] = [np.asarray(even.apply(grey), np.uint8) for grey in self.plain]
        self.height, self.width = self.frames[0].shape
        self._corners = [_corners(grey) for grey in self.frames]
        self._pairs: dict[tuple[int, int], Pair | None] = {}

    def pair(self, first: int, second: int) -> Pair | None:
        """Return the corners of a frame that are found in another; None where there are few."""
        if (first, second) not in self._pairs:
            self._pairs[first, second] = self._track(first, second)
        return self._pairs[first, second]

    def _track(self, first: int, second: int) -> Pair | None:
        points = self._corners[first]
        ends, backs = (self.frames[first], self.frames[second]), points
        moved, found = _followed(*ends, points)
        backs, returned = _followed(*ends[::-1], moved)
        kept = found & returned & (np.linalg.norm(backs - points, axis=1) < RETURN)
        if kept.sum() < 4:
            return None
        here, there = (self._centred(p[kept]) for p in (points, moved))
        return Pair(here, there, background_prior(here / self.height))

    def _centred(self, points: NDArray[np.float32]) -> Complex:
        wide = points.astype(np.float64) + 0.5
        return (wide[:, 0] - self.width / 2) + 1j * (wide[:, 1] - self.height / 2)


def background_prior(places: Complex) -> Real:
    """Return how likely a corner at a place (frame heights from the centre) is the background's.

    Measured on the studio's clips: likely at the top and the sides, unlikely where figures stand,
    less likely on the ground.
    """
    x, y = places.real, places.imag
    body = np.exp(-(np.abs(x / 0.28) ** 3)) / (1 + np.exp(-(y + 0.27) / 0.07))
    return 0.66 - 0.5 * body - 0.22 * np.clip((y + 0.1) / 0.6, 0, 1)


def _corners(grey: Grey) -> NDArray[np.float32]:
    """Return the strongest corner (x, y) of each cell, the strongest of all first."""
    rows, columns = grey.shape[0] // CELL, grey.shape[1] // CELL
    strength = cv2.cornerMinEigenVal(grey, 5)[: rows * CELL, : columns * CELL]
    cells = strength.reshape(rows, CELL, columns, CELL).swapaxes(1, 2).reshape(-1, CELL * CELL)
    best = cells.argmax(axis=1)
    down, across = np.divmod(np.arange(len(cells)), columns)
    points = np.stack([across * CELL + best % CELL, down * CELL + best // CELL], axis=1)
    order = np.argsort(-cells.max(axis=1), kind="stable")[:MOST]
    return points[order].astype(np.float32)


def _followed(
    first: Grey, second: Grey, points: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Return where points of a frame lie in another, and which were found."""
    end = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_COUNT, 15, 0.03)
    moved, found, _ = cv2.calcOpticalFlowPyrLK(
        first, second, points[:, None], points[:, None].copy(),
        winSize=(WINDOW, WINDOW), maxLevel=LEVELS, criteria=end,
    )  # fmt: skip
    return moved[:, 0].astype(np.float32), found[:, 0] > 0


def fit(
    pair: Pair,
    turn: Complex,
    shift: Complex,
    widths: Sequence[float],
    weights: Real | None = None,
) -> Models:
    """Fit similarities [K] to a pair, each from where it starts, corners off it weighing little.

    `widths` are the distances (pixels) at which a corner loses weight, round by round; the
    evidence is what the corners on the similarity say, those of the figure against it.
    """
    here, there = pair.here, pair.there
    prior = pair.prior if weights is None else pair.prior * weights
    for width in widths:
        robust = prior * inlying(pair, turn, shift, width) + 1e-9
        total = robust.sum(axis=1)
        middle, target = robust @ here / total, robust @ there / total
        off = here - middle[:, None]
        spread = (robust * np.abs(off) ** 2).sum(axis=1)
        # A weak belief in no growth and no roll steadies what few corners show.
        aligned = (robust * (there - target[:, None]) * off.conj()).sum(axis=1)
        turn = (aligned + 30.0) / (spread + 30.0)
        shift = target - turn * middle
    said = (pair.prior - NEUTRAL) if weights is None else (pair.prior - NEUTRAL) * weights
    return Models(turn, shift, inlying(pair, turn, shift, 0.8) @ said)


def inlying(pair: Pair, turn: Complex, shift: Complex, width: float) -> Real:
    """Return how well [K, N] each corner agrees with each similarity, in [0, 1]."""
    missed = turn[:, None] * pair.here + shift[:, None] - pair.there
    return 1 / (1 + (missed.real**2 + missed.imag**2) / width**2) ** 2


def similarities(pair: Pair, rng: np.random.Generator) -> Models:
    """Return the similarities that explain the corners of a pair, one after the other."""
    count = len(pair.here)
    a, b = rng.integers(count, size=(2, SAMPLES))
    apart = pair.here[b] - pair.here[a]
    far = np.abs(apart) > 20
    turn = (pair.there[b] - pair.there[a])[far] / apart[far]
    plain = (np.abs(np.abs(turn) - 1) < 0.25) & (np.abs(np.angle(turn)) < 0.15)
    shift = pair.there[a][far][plain] - turn[plain] * pair.here[a][far][plain]
    turn = np.concatenate([turn[plain], np.ones(count)])
    shift = np.concatenate([shift, pair.there - pair.here])
    agree = inlying(pair, turn, shift, 0.8)
    free, found = np.ones(count), []
    for _ in range(MODELS):
        best = int((agree @ (free * (pair.prior - NEUTRAL))).argmax())
        model = fit(pair, turn[[best]], shift[[best]], (1.0, 0.7, 0.5, 0.5), free)
        found.append(model)
        free = free * (1 - inlying(pair, model.turn, model.shift, 0.8)[0])
    return Models(*(np.concatenate([getattr(m, n) for m in found])
                    for n in ("turn", "shift", "evidence")))  # fmt: skip


def _background(pairs: Sequence[Pair | None]) -> list[tuple[complex, complex] | None]:
    """Return the background's similarity of each pair of neighbouring frames."""
    rng = np.random.default_rng(0)
    own = [similarities(pair, rng) if pair else None for pair in pairs]
    pooled: list[Models | None] = []
    for t, pair in enumerate(pairs):
        near = [m for m in own[max(t - NEIGHBOURS, 0) : t + NEIGHBOURS + 1] if m]
        if pair is None or not near:
            pooled.append(None)
            continue
        turn, shift = (np.concatenate([getattr(m, n) for m in near]) for n in ("turn", "shift"))
        pooled.append(fit(pair, turn, shift, (1.2, 0.7, 0.5)))
    return _steadiest(pooled)


def _steadiest(models: Sequence[Models | None]) -> list[tuple[complex, complex] | None]:
    """Return for each time the model of the sequence with the most evidence and least change."""
    times = [t for t, m in enumerate(models) if m]
    chosen: list[tuple[complex, complex] | None] = [None] * len(models)
    total, motion = np.zeros(1), np.zeros((1, len(PROBES)), np.complex128)
    came: list[NDArray[np.int64]] = []
    for place, t in enumerate(times):
        model = models[t]
        assert model is not None
        moves = model.motion()
        still = np.abs(moves).max(axis=1) < 0.15
        evidence = model.evidence * np.where(still, STILLNESS, 1.0)
        if place:
            change = np.abs(moves[:, None] - motion[None]).mean(axis=2)
            scores = total[None] - UNSTEADY * np.minimum(change, UNSTEADY_MOST)
            came.append(scores.argmax(axis=1))
            total = evidence + scores.max(axis=1)
        else:
            total = evidence
        motion = moves
    best = int(total.argmax())
    for place in range(len(times) - 1, -1, -1):
        model = models[times[place]]
        assert model is not None
        chosen[times[place]] = (complex(model.turn[best]), complex(model.shift[best]))
        if place:
            best = int(came[place - 1][best])
    return chosen


def register(tracker: Tracker) -> tuple[Complex, Complex]:
    """Return the background's similarity of each frame relative to the first, [T] each.

    A point p of the first frame (from its centre) is seen in frame t at turn[t] · p + shift[t],
    as complex numbers x + iy in frame heights.
    """
    count = len(tracker.frames)
    steps = _background([tracker.pair(t, t + 1) for t in range(count - 1)])
    turn, shift = np.ones(count, np.complex128), np.zeros(count, np.complex128)
    for t, step in enumerate(steps):
        by, to = step or (1 + 0j, 0j)
        turn[t + 1], shift[t + 1] = by * turn[t], by * shift[t] + to
    return joined(tracker, turn, shift / tracker.height)


def joined(tracker: Tracker, turn: Complex, shift: Complex) -> tuple[Complex, Complex]:
    """Return a path that is fitted to the corners near another, in the terms of `register`."""
    count, height = len(tracker.frames), tracker.height
    ends, turns, shifts, trust = [], [], [], []
    for gap, stride in GAPS:
        for t in range(0, count - gap, stride):
            pair = tracker.pair(t, t + gap)
            if pair is None:
                continue
            by = turn[t + gap] / turn[t]
            start = np.array([by]), np.array([shift[t + gap] - by * shift[t]]) * height
            model = fit(pair, *start, (2.0, 1.0, 0.6, 0.5))
            ends.append((t, t + gap))
            turns.append(model.turn[0])
            shifts.append(model.shift[0] / height)
            trust.append(max(float(model.evidence[0]), 0.05) ** 2)
    if not ends:
        return turn, shift
    return _joined(count, np.array(ends), np.array(turns), np.array(shifts), np.array(trust))


def settled(tracker: Tracker, turn: Complex, shift: Complex) -> tuple[Complex, Complex]:
    """Return a path that is fitted, again and again, to the corners near it."""
    for _ in range(ROUNDS):
        turn, shift = joined(tracker, turn, shift)
    return turn, shift


def _joined(
    count: int, ends: NDArray[np.int64], turns: Complex, shifts: Complex, trust: Real
) -> tuple[Complex, Complex]:
    """Return the path that agrees best with similarities between its frames."""
    index, (first, second) = np.arange(len(ends)), ends.T
    rows = np.zeros((len(ends), count))
    rows[index, first], rows[index, second] = -1, 1
    rows = rows[:, 1:]
    logs, robust = np.log(turns), np.ones(len(ends))
    ridge = 1e-6 * np.eye(count - 1)
    turn, shift = np.ones(count, np.complex128), np.zeros(count, np.complex128)
    for _ in range(10):
        weight = (trust * robust)[:, None]
        path = np.linalg.solve(rows.T @ (weight * rows) + ridge, rows.T @ (weight[:, 0] * logs))
        turn = np.exp(np.concatenate([[0], path]))
        links = rows.astype(np.complex128)
        inner = first > 0
        links[index[inner], first[inner] - 1] = -(turn[second] / turn[first])[inner]
        normal = links.conj().T @ (weight * links) + ridge
        shift = np.concatenate(
            [[0], np.linalg.solve(normal, links.conj().T @ (weight[:, 0] * shifts))]
        )
        missed = np.abs(links @ shift[1:] - shifts) ** 2 + 0.1 * np.abs(rows @ path - logs) ** 2
        robust = 1 / (1 + missed / AGREEMENT**2) ** 2
    return turn, shift
