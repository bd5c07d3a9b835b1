"""Where an effect changes a clip: the difference it makes, inside and outside of its region."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from animatrix_data.procedural import Size
from animatrix_data.procedural.clip import DrawnClip
from animatrix_data.procedural.effects import EFFECTS
from tests.data.procedural.effects.clips import levels, with_and_without

Mask = NDArray[np.bool_]

HEAD = 2.6
"""Radius of the region of a head in head radii."""
MARK = 0.25
"""Least radius of it in frame heights: a mark stays large where the figure is small."""
MARGIN = 2.0
"""Margin of the box of a body in head radii."""
CORE = 0.5
"""Half the width of a body's core in head radii: what a background effect leaves alone."""
LIMBS = (("neck", "hip"), ("neck", "elbow_l", "hand_l"), ("neck", "elbow_r", "hand_r"),
         ("hip", "knee_l", "foot_l"), ("hip", "knee_r", "foot_r"))  # fmt: skip


def difference_in_region(tag: str, shot: str, size: Size) -> tuple[float, float, float]:
    """Return what an effect changes in a clip: levels of 255 inside of its region, levels outside
    of it (means over frames, pixels and channels), and the share of the change that is inside."""
    clips = with_and_without(tag, shot, size=size)
    change = levels(*clips)
    inside = region_of(EFFECTS[tag].region, clips, size)
    within, without = change[inside], change[~inside]
    share = within.sum() / max(change.sum(), 1e-9)
    return float(within.mean()), float(without.mean()) if without.size else 0.0, float(share)


def region_of(region: str, clips: tuple[DrawnClip, ...], size: Size) -> Mask:
    """Return the pixels [T, H, W] of a region, for wherever the figure is in any of the clips."""
    masks = np.zeros((size.frames, size.height, size.width), np.uint8)
    for clip in clips:
        points = {name: np.array(p) for name, p in clip.truth["keypoints"].items()}
        for t, mask in enumerate(masks):
            DRAWN[region](mask, {name: p[t] for name, p in points.items()})
    return masks == 0 if region == "background" else masks > 0


Points = dict[str, NDArray[np.float64]]


def _pixel(point: NDArray[np.float64]) -> tuple[int, int]:
    x, y = np.clip(np.round(point), -9999, 9999)
    return int(x), int(y)


def _radius(points: Points) -> float:
    # The head's centre lies 0.92 radii from the neck (character.joints).
    return float(np.hypot(*(points["head"] - points["neck"]))) / 0.92


def _frame(mask: NDArray[np.uint8], points: Points) -> None:
    mask[:] = 1


def _core(mask: NDArray[np.uint8], points: Points) -> None:
    radius = _radius(points)
    for limb in LIMBS:
        line = np.array([_pixel(points[name]) for name in limb])
        cv2.polylines(mask, [line], False, 1, max(1, round(CORE * radius)))
    cv2.circle(mask, _pixel(points["head"]), round(0.9 * radius), 1, -1)


def _ground(mask: NDArray[np.uint8], points: Points) -> None:
    feet = max(points["foot_l"][1], points["foot_r"][1])
    mask[max(0, round(feet - 3.0 * _radius(points))) :] = 1


def _figure(mask: NDArray[np.uint8], points: Points) -> None:
    every, margin = np.stack(list(points.values())), MARGIN * _radius(points)
    low, high = every.min(0) - margin, every.max(0) + margin
    cv2.rectangle(mask, _pixel(low), _pixel(high), 1, -1)


def _head(mask: NDArray[np.uint8], points: Points) -> None:
    radius, head = _radius(points), points["head"]
    reach = round(max(HEAD * radius, MARK * len(mask)))
    for centre in (head, head - [0, radius]):
        cv2.circle(mask, _pixel(centre), reach, 1, -1)


DRAWN = {"frame": _frame, "background": _core, "ground": _ground, "figure": _figure, "head": _head}
