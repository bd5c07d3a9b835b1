"""Learns how likely a path is the camera's (see `choice`) from clips whose path is known.

A conditional logit: of a clip's paths the right ones share the probability, the nearer to the
truth the more; where none is right, it goes to none of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from animatrix_data.procedural.oracles.choice import Choice, levelled, softmax, taken
from animatrix_data.procedural.oracles.registration import Real

MOST = 0.15
"""The error, as a share of the travel, at which a path is not right any more."""
FLAT = 1e-3
"""The least spread of a measure, beside its greatest size."""


@dataclass(frozen=True, eq=False)
class Lesson:
    """What is measured of a clip's paths [K, F], the error of each [K] (see `MOST`), and which
    paths differ [K, K]."""

    measures: Real
    errors: Real
    other: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class _Class:
    """Lessons side by side: measures [N, K, F], which paths there are, the share of each, and of
    none."""

    measures: Real
    there: NDArray[np.bool_]
    right: Real
    none: Real


def taught(names: Sequence[str], lessons: Sequence[Lesson], decay: float) -> Choice:
    """Return the choice that explains lessons best, measures in the order of `names`.

    `decay` is the penalty on the square of each weight, beside the mean loss of a clip.
    """
    every = np.concatenate([lesson.measures for lesson in lessons])
    mean = every.mean(axis=0)
    spread = every.std(axis=0) + FLAT * (1 + np.abs(every).max(axis=0))
    room = _seated(lessons, mean, spread)
    found = minimize(_loss, np.zeros(len(names) + 1), (room, decay), "L-BFGS-B", jac=True)
    rows = zip(mean.tolist(), spread.tolist(), found.x[:-1].tolist(), strict=True)
    return Choice(dict(zip(names, rows, strict=True)), float(found.x[-1]))


def guesses(choice: Choice, lesson: Lesson) -> tuple[int, float]:
    """Return the path of a lesson that a choice takes, and how likely it or one like it is."""
    columns = zip(choice.measures, lesson.measures.T, strict=True)
    return taken(choice.chances(dict(columns)), lesson.other)


def _seated(lessons: Sequence[Lesson], mean: Real, spread: Real) -> _Class:
    most = max(len(lesson.errors) for lesson in lessons)
    measures = np.zeros((len(lessons), most, len(mean)))
    there, right = np.zeros((len(lessons), most), bool), np.zeros((len(lessons), most))
    for row, lesson in enumerate(lessons):
        count = len(lesson.errors)
        measures[row, :count] = levelled(lesson.measures, mean, spread)
        there[row, :count] = True
        right[row, :count] = np.maximum(1 - lesson.errors / MOST, 0)
    total = right.sum(axis=1, keepdims=True)
    return _Class(measures, there, right / np.maximum(total, 1e-9), (total[:, 0] == 0) * 1.0)


def _loss(weights: Real, room: _Class, decay: float) -> tuple[float, Real]:
    """Return the mean cross entropy with decay, and its gradient."""
    scores = np.where(room.there, room.measures @ weights[:-1], -1e9)
    likely, rest = softmax(scores, float(weights[-1]))
    entropy = (room.right * np.log(likely + 1e-12)).sum() + room.none @ np.log(rest + 1e-12)
    count = len(scores)
    slope = np.einsum("nk,nkf->f", (likely - room.right) * room.there, room.measures) / count
    loss = -entropy / count + decay * float(weights[:-1] @ weights[:-1]) / 2
    return float(loss), np.append(slope + decay * weights[:-1], (rest - room.none).mean())
