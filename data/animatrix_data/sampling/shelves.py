"""Clips sorted by shape and difficulty bucket, to be drawn in proportion to a weight that moves.

Eq. 16 multiplies a clip's own weight by one number a bucket. So the mass of every (shape, bucket)
and the cumulative weights inside it stay as they are, whatever the progress: 12 bytes a clip.
"""

from dataclasses import dataclass

import numpy as np

from animatrix_data.sampling.curriculum import Curriculum


@dataclass(frozen=True, eq=False)
class Source:
    """One corpus or cache as selection sees it: N clips by column.

    `weights` float64 [N] are ≥ 0 (eq. 2, or a target's); `shapes` int [N] number each clip's shape
    and mean the same in all sources, -1 for a clip that is never drawn; `buckets` int [N] are flat
    difficulty buckets (`curriculum.difficulty_buckets`), None where no curriculum applies. A source
    of `stills` holds pictures, and only blocks of images draw from it.
    """

    name: str
    weights: np.ndarray
    shapes: np.ndarray
    buckets: np.ndarray | None = None
    stills: bool = False


class Shelves:
    """The clips of a source, a shelf for each (shape, difficulty bucket).

    Without a curriculum, or without buckets in the source, a shape is one shelf. Raises ValueError
    for columns that are wrong, with the clip's number, and where nothing can be drawn.
    """

    def __init__(self, source: Source, curriculum: Curriculum | None) -> None:
        weights, shapes, buckets, self._levels = _columns(source, curriculum)
        heaviest = weights[shapes >= 0].max(initial=0.0)
        if not heaviest > 0:
            raise ValueError(_nothing(source.name, shapes))
        scaled = weights / heaviest
        rows = np.flatnonzero((shapes >= 0) & (scaled > 0))
        self._shapes, places = np.unique(shapes[rows], return_inverse=True)
        shelves = places * self._levels + buckets[rows]
        order = np.argsort(shelves, kind="stable")
        self._order = rows[order].astype(np.int32 if len(weights) < 2**31 else np.int64)
        counts = np.bincount(shelves, minlength=len(self._shapes) * self._levels)
        self._ends = np.cumsum(counts)
        self._masses = np.zeros((len(self._shapes), self._levels))
        # One ascending array for all shelves: in shelf s the cumulative shares run from s to s + 1.
        self._edges = scaled[self._order]
        for shelf in np.flatnonzero(counts):
            part = self._edges[self._ends[shelf] - counts[shelf] : self._ends[shelf]]
            np.cumsum(part, out=part)
            self._masses.flat[shelf] = part[-1]
            part /= part[-1]
            part += shelf

    def mass(self, weights: np.ndarray | None) -> float:
        """Return the mass of all clips, up to a factor, under bucket `weights` [Q³] (eq. 16)."""
        return float((self._masses @ self._per_level(weights)).sum())

    def draw(
        self, weights: np.ndarray | None, form: float, to_bucket: np.ndarray, to_clip: np.ndarray
    ) -> tuple[int, np.ndarray]:
        """Return a shape, and clips int64 [n] of it, drawn under bucket `weights` [Q³] (eq. 16).

        `form`, `to_bucket` [n] and `to_clip` [n] are random numbers in [0, 1).
        """
        masses = self._masses * self._per_level(weights)
        place = int(pick(np.cumsum(masses.sum(axis=1)), form))
        shelves = place * self._levels + pick(np.cumsum(masses[place]), to_bucket)
        found = np.searchsorted(self._edges, shelves + to_clip, side="right")
        # A sum rounded up to the shelf's end belongs to its last clip.
        found = np.minimum(found, self._ends[shelves] - 1)
        return int(self._shapes[place]), self._order[found].astype(np.int64)

    def _per_level(self, weights: np.ndarray | None) -> np.ndarray:
        return np.ones(1) if weights is None or self._levels == 1 else weights


def pick(edges: np.ndarray, uniform: float | np.ndarray) -> np.ndarray:
    """Return places drawn in proportion to the steps of the cumulative weights `edges` [n].

    `uniform` are random numbers in [0, 1), the result is int64 of their shape.
    """
    places = np.searchsorted(edges, uniform * edges[-1], side="right")
    # A product rounded up to the last edge belongs to the last step that has a width.
    return np.minimum(places, np.searchsorted(edges, edges[-1]))


def _columns(
    source: Source, curriculum: Curriculum | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
    """A source's weights, shapes and buckets [N] and the number of buckets, all checked."""
    weights, shapes = np.asarray(source.weights, np.float64), np.asarray(source.shapes)
    levels = 1
    if curriculum is None or source.buckets is None:
        buckets = np.zeros(len(weights), np.int8)
    else:
        buckets, levels = np.asarray(source.buckets), curriculum.quantiles**3
    if not weights.shape == shapes.shape == buckets.shape == (len(weights),):
        raise ValueError(
            f"source {source.name!r} needs one weight, shape and bucket a clip, and has "
            f"{len(weights)}, {len(shapes)} and {len(buckets)}"
        )
    wrong = np.flatnonzero(~(np.isfinite(weights) & (weights >= 0)))
    if len(wrong):
        raise ValueError(
            f"clip {wrong[0]} of source {source.name!r} has the weight {weights[wrong[0]]:g}: "
            "weights must be numbers ≥ 0"
        )
    wrong = np.flatnonzero((buckets < 0) | (buckets >= levels))
    if len(wrong):
        raise ValueError(
            f"clip {wrong[0]} of source {source.name!r} is in difficulty bucket "
            f"{buckets[wrong[0]]}, and the curriculum has {levels}"
        )
    return weights, shapes, buckets, levels


def _nothing(name: str, shapes: np.ndarray) -> str:
    """Why nothing of a source can be drawn, as a sentence."""
    if not len(shapes):
        return f"source {name!r} holds no clips"
    if not (shapes >= 0).any():
        return f"none of the {len(shapes)} clips of source {name!r} has a shape to be drawn in"
    return f"the weights of source {name!r} sum to zero: none of its clips can be drawn"
