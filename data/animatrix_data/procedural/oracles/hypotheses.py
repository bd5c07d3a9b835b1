"""Whole paths of a camera that may explain a clip, and which of them does.

Corners in one pair of frames do not tell a background from a figure or from an overlay that is
fixed to the frame; a whole clip does. Four kinds of path are tried: none at all, steady ones (see
`votes`), one that is freely registered (see `registration`) and one that jolts (see `jolts`). What
is measured of each in the pixels (see `judgement`) tells how likely it is the camera's (see
`choice`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from animatrix_data.procedural.oracles.choice import known, taken
from animatrix_data.procedural.oracles.evidence import Trail, Witness
from animatrix_data.procedural.oracles.jolts import jolted
from animatrix_data.procedural.oracles.judgement import Candidate, differing, measured
from animatrix_data.procedural.oracles.refine import Refiner
from animatrix_data.procedural.oracles.registration import (
    Complex,
    Real,
    Tracker,
    joined,
    register,
    settled,
)
from animatrix_data.procedural.oracles.steady import FARTHEST, LEAST, Steady
from animatrix_data.procedural.oracles.votes import voted

DISTINCT = 3.0
"""Steady paths that lie nearer to each other (pixels) are one."""
KEPT, KEPT_MOVING = 6, 4
"""Steady paths that are kept for what frames say as they are, and without what is fixed to them."""
PLAIN, CLEAR = 0.6, 0.75
"""A path that explains more than this share of what could agree needs no weighing, if standing
still has less than this share of its evidence: what is learnt from the studio's clips need not hold
for a picture without figure or overlay."""
STRAIGHT, JOLTED = (0.4, 0.8), (1.5, 1.8)
"""Shares of a path's way, below the first of which it sways and above the second of which it does
not: how far apart its places lie, and the sum of its changes of velocity."""


def explain(tracker: Tracker) -> tuple[Trail, float]:
    """Return the path that is likeliest the camera's, and how likely it or one like it is."""
    witness = Witness(tracker)
    tried = candidates(tracker, witness)
    likely = _plainly(witness, tried)
    if likely is None:
        likely = known().chances(measured(tried, witness))
    other = differing([candidate.trail for candidate in tried])
    best, sure = taken(likely, other)
    near = [tried[place] for place in np.flatnonzero(~other[best])]
    return _closest(witness, tried[best], near).trail, sure


def _plainly(witness: Witness, tried: Sequence[Candidate]) -> Real | None:
    """Return chances that are sure of a moving path that plainly explains what is seen, if any."""
    explained = np.array([witness.explained(candidate.account) for candidate in tried])
    total = [witness.total(witness.evidence(candidate.account)) for candidate in tried]
    best = int(np.where(explained > PLAIN, total, -np.inf).argmax())
    if explained.max() <= PLAIN or total[0] > CLEAR * total[best]:
        return None
    return np.asarray(np.arange(len(tried)) == best, np.float64)


def _closest(witness: Witness, best: Candidate, near: Sequence[Candidate]) -> Candidate:
    """Return the path like the best for which there is the most evidence; nothing is as still as
    one that stands still."""
    if best.trail.travel() == 0:
        return best
    if best.steady is not None:
        again = _refiner(witness).refined(best.steady)
        near = [*near, _heard(witness, again.kind, again.trail(witness.count, witness.height))]

    def said(candidate: Candidate) -> float:
        return witness.total(witness.evidence(candidate.account)) + candidate.followed

    return max(near, key=said)


def candidates(tracker: Tracker, witness: Witness) -> list[Candidate]:
    """Return the paths that are tried, the one that stands still first."""
    count, height = witness.count, witness.height
    unturned = np.ones(count, np.complex128)
    still = Trail(unturned, np.zeros(count, np.complex128))
    jolts = unturned, jolted(witness.fine) / height
    free = (settled(tracker, *register(tracker)), jolts, joined(tracker, *jolts))
    tried = [_heard(witness, "still", still)]
    for path in steady_paths(witness):
        tried.append(_heard(witness, path.kind, path.trail(count, height), path))
    for kind, freely in zip(("free", "jolts", "jolts"), free, strict=True):
        trail = _weighed(Trail(*freely))
        if trail.travel() > LEAST:
            tried.append(_heard(witness, kind, trail))
    return tried


def _heard(witness: Witness, kind: str, trail: Trail, steady: Steady | None = None) -> Candidate:
    """Return a path with all that is said of it."""
    accounts = witness.account(trail), witness.moving.account(trail)
    return Candidate(trail, kind, *accounts, witness.followed(trail), steady)


def steady_paths(witness: Witness) -> list[Steady]:
    """Return the steady paths that frames vote for, those with the most evidence, made exact.

    Frames vote as they are, and without what is fixed to them.
    """
    count, height = witness.count, witness.height
    distinct: list[tuple[Steady, Trail]] = []
    for path in [*voted(witness.fine, witness.spans), *voted(witness.moving.fine, witness.spans)]:
        trail = path.trail(count, height)
        if all(trail.apart(other) > DISTINCT for _, other in distinct):
            distinct.append((path, trail))
    kept: dict[int, Steady] = {}
    for judge, most in ((witness, KEPT), (witness.moving, KEPT_MOVING)):
        accounts = (judge.account(trail, judge.screen) for _, trail in distinct)
        said = [float(judge.evidence(account).sum()) for account in accounts]
        kept |= {k: distinct[k][0] for k in np.argsort(said)[::-1][:most].tolist()}
    refiner = _refiner(witness)
    return [refiner.refined(path) for path in kept.values()]


def _refiner(witness: Witness) -> Refiner:
    return Refiner(witness.fine, [ends for span in witness.spans[witness.screen] for ends in span])


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
