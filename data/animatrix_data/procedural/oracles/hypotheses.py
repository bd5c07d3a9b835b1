"""Whole paths of a camera that may explain a clip, and which of them does.

Corners in one pair of frames do not tell a background from a figure or from an overlay that is
fixed to the frame; a whole clip does. Four kinds of path are tried: none at all, steady ones (see
`steady`), one that is freely registered (see `registration`) and one that jolts (see `jolts`). Each
is judged by the evidence in the pixels for it (see `evidence`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from animatrix_data.procedural.oracles.evidence import MIDDLE, Trail, Witness
from animatrix_data.procedural.oracles.jolts import jolted
from animatrix_data.procedural.oracles.registration import (
    Complex,
    Real,
    Tracker,
    joined,
    register,
    settled,
)
from animatrix_data.procedural.oracles.steady import FARTHEST, LEAST, Steady, steady_paths

EVIDENT = 0.5
"""The least evidence in a pair of frames in which a background is seen."""
KEPT, STRIDES = 4, (4.0, 2.0, 1.0)
"""Steady paths that are made better, and the steps (pixels) in which they are."""
FREE = (0.22, 0.9)
"""What evidence for a free path is worth if it sways, and if it travels or jolts."""
STRAIGHT, JOLTED = (0.4, 0.8), (1.5, 1.8)
"""Shares of a path's way, below the first of which it sways and above the second of which it does
not: how far apart its places lie, and the sum of its changes of velocity."""
NEAR = 0.4
"""The distance (as a share of the travel) at which two paths are nearly the same."""
APART = (4.0, 0.3)
"""The distance, in pixels and as a share of the travel, at which a path is a rival."""
RIVAL, PLAIN = 0.85, 0.24
"""A path is a guess where a rival has more than this share of its evidence, if it also explains
less than this share of what could agree: what is fixed to the frame agrees as a plain background
does, and rain as much as a background behind it."""


@dataclass(frozen=True)
class Candidate:
    """A path, the evidence for it in each pair of frames, in all, and what that counts beside
    other paths'."""

    trail: Trail
    evidence: Real
    total: float
    counted: float


def explain(tracker: Tracker) -> tuple[Trail, float]:
    """Return the path that explains a clip best, and how well its background is seen, in [0, 1].

    That is the share of the pairs of frames with evidence for it, less where it sways, and none
    where it is a guess.
    """
    witness = Witness(tracker)
    candidates = _candidates(tracker, witness)
    best = max(candidates, key=lambda candidate: candidate.counted)
    if best.trail.travel() > 0:
        best = _closest(tracker, witness, candidates, best)
    seen = best.trail.sure * float((best.evidence > EVIDENT).mean())
    return best.trail, 0.0 if guessed(witness, candidates, best) else seen


def _candidates(tracker: Tracker, witness: Witness) -> list[Candidate]:
    """Return the paths that are tried, the one that stands still first."""
    count, height = witness.count, witness.height
    unturned = np.ones(count, np.complex128)
    still = Trail(unturned, np.zeros(count, np.complex128))
    said = {
        path: witness.total(witness.evidence(path.trail(count, height)))
        for path in steady_paths(tracker)
    }
    likely = sorted(said, key=lambda path: -said[path])[:KEPT]
    better = [_improved(witness, path).trail(count, height) for path in likely]
    jolts = unturned, jolted(witness.fine) / height
    free = (settled(tracker, *register(tracker)), jolts, joined(tracker, *jolts))
    return [
        *(_candidate(witness, trail) for trail in (still, *better)),
        *(
            _candidate(witness, trail, FREE)
            for trail in (_weighed(Trail(*path)) for path in free)
            if trail.travel() > LEAST
        ),
    ]


def _candidate(
    witness: Witness, trail: Trail, worth: tuple[float, float] = (1.0, 1.0)
) -> Candidate:
    """Return a path with its evidence, which is worth so much if it is not sure, and if it is."""
    evidence = witness.evidence(trail)
    total = witness.total(evidence) + witness.followed(trail)
    counted = min(total, total * float(np.interp(trail.sure, (0, 1), worth)))
    return Candidate(trail, evidence, total, counted)


def _closest(
    tracker: Tracker, witness: Witness, candidates: Sequence[Candidate], best: Candidate
) -> Candidate:
    """Return what is nearly the same path as the best and follows the frames most closely."""
    travel = best.trail.travel()
    near = [other for other in candidates if other.trail.apart(best.trail) < NEAR * travel]
    fitted = Trail(*joined(tracker, best.trail.turn, best.trail.shift), best.trail.sure)
    return max(*near, _candidate(witness, fitted), key=lambda candidate: candidate.total)


def guessed(witness: Witness, candidates: Sequence[Candidate], best: Candidate) -> bool:
    """Return whether another path explains a clip nearly as well as one that explains little."""
    far = max(APART[0], APART[1] * best.trail.travel())
    rivals = [other.counted for other in candidates if other.trail.apart(best.trail) > far]
    if max(rivals, default=0.0) <= RIVAL * best.counted:
        return False
    return witness.explained(best.trail) < PLAIN


def _improved(witness: Witness, path: Steady) -> Steady:
    """Return a steady path near another for which there is the most evidence."""

    def said(path: Steady) -> float:
        return float(witness.evidence(path.trail(witness.count, witness.height), MIDDLE).sum())

    best = said(path)
    for step in STRIDES:
        for other in path.beside(step):
            if (score := said(other)) > best:
                best, path = score, other
    return path


def _weighed(trail: Trail) -> Trail:
    """Return a free path with how sure it is: a camera travels one way, or jolts.

    What sways smoothly to and fro is more often a head that fills the frame.
    """
    moved: Complex = trail.moved()
    steps = np.abs(np.diff(moved, axis=0)).mean(axis=1)
    way = max(float(steps.sum()), 1e-9)
    reach = float(np.abs(moved[:, None] - moved[None]).mean(axis=2).max()) / way
    jolts = float(np.abs(np.diff(moved, 2, axis=0)).mean(axis=1).sum()) / way
    sure = max(float(np.interp(reach, STRAIGHT, (0, 1))), float(np.interp(jolts, JOLTED, (0, 1))))
    return replace(trail, sure=sure if trail.travel() < FARTHEST else 0.0)
