"""One clip from the studio: frames, words and truth of a spec, a seed, a size and a staging."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from animatrix_data.caption.schema import StructuredCaption
from animatrix_data.procedural.captions import structured_caption, write_directive
from animatrix_data.procedural.content import FREE, Staging, content_class, sample_content
from animatrix_data.procedural.faults import Fault, conflict, ratings
from animatrix_data.procedural.sampler import check_drawable
from animatrix_data.procedural.scene import Scene, Size
from animatrix_data.taxonomy.directive import Directive
from animatrix_data.taxonomy.tags import ProductionSpec

STUDIO_VERSION = 8
"""Raised whenever the same spec (or sampler), seed, size and staging come to give other frames."""


@dataclass(frozen=True)
class DrawnClip:
    """A drawn clip.

    frames: uint8 [T, H, W, 3]; truth: JSON-able (keypoints per frame in pixels, camera path in
    pixels, deformation in [0, 1], faults, ratings 1–5, content, seed, size); content: the content
    class, of which the truth has the place.
    """

    frames: NDArray[np.uint8]
    truth: dict[str, Any]
    content: str
    caption: StructuredCaption
    directive: Directive


def draw_clip(
    spec: ProductionSpec,
    seed: int,
    size: Size,
    staging: Staging = FREE,
    faults: Sequence[Fault] = (),
) -> DrawnClip:
    """Draw a clip: the same spec, seed, size, staging and faults give the same bytes.

    Fields that the spec leaves out take the plainest value. Raises ValueError, saying what can be
    drawn, for a tag that this studio cannot draw or a fault that a tag rules out.
    """
    check_drawable(spec)
    for fault in faults:
        if why := conflict(fault, spec):
            raise ValueError(why)
    content = sample_content(seed, staging)
    deformation = staging.deform(seed)
    scene = Scene(spec, content, staging.take(seed), size, deformation, faults)
    frames, seen = scene.render()
    truth: dict[str, Any] = {
        **seen,
        "deformation": scene.deformation,
        "faults": [
            {**asdict(fault), "start": broken.start, "variant": broken.variant}
            for fault, broken in zip(faults, scene.faults, strict=True)
        ],
        **ratings(faults),
        "content": asdict(content),
        "seed": seed,
        "size": asdict(size),
    }
    return DrawnClip(
        frames=frames,
        truth=truth,
        content=content_class(content.place),
        caption=structured_caption(spec, content, seed),
        directive=write_directive(spec, content, seed),
    )
