"""A model under measurement: clips generated for held-out specs, and what oracles read in them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from animatrix_data.procedural import Size, sample_spec
from animatrix_data.procedural.oracles import CAMERA_MOVEMENT, Reading, answers, top
from animatrix_data.progress import ticking
from animatrix_data.taxonomy import FIELDS, ProductionSpec
from animatrix_jax.evaluation.adherence import AdherenceReport, measure_adherence
from animatrix_jax.evaluation.oracles import Oracles
from animatrix_jax.evaluation.sources import Shown, content_text, draw_held_out, held_out_seed
from animatrix_jax.evaluation.swaps import SwapReport, measure_swaps, plan_swaps
from animatrix_jax.inference.pipeline import count_steps, generate_clips
from animatrix_jax.inference.request import Request, SamplerSettings
from animatrix_jax.runtime.model import Model

Asked = tuple[ProductionSpec, str, int]
"""A clip asked for: its spec, the text channel's words and the noise's seed."""


@dataclass(frozen=True)
class Measured:
    """Clips with what was read of each, and their adherence."""

    adherence: AdherenceReport
    read: dict[str, dict[str, dict[str, object]]]


def read_clips(oracles: Oracles, shown: Sequence[Shown]) -> list[Reading]:
    """Return the readings of clips; clips of one rate are read together."""
    readings: list[Reading] = [{} for _ in shown]
    for fps in dict.fromkeys(clip.fps for clip in shown):
        rows = [row for row, clip in enumerate(shown) if clip.fps == fps]
        found = oracles.read([shown[row].frames for row in rows], fps)
        for row, reading in zip(rows, found, strict=True):
            readings[row] = reading
    return readings


def measure_clips(oracles: Oracles, shown: Sequence[Shown]) -> Measured:
    """Read clips and compare with what was asked of them."""
    readings = read_clips(oracles, shown)
    specs = [clip.spec for clip in shown]
    adherence = measure_adherence(specs, readings, oracles.ceilings, unmeasured=oracles.unmeasured)
    read: dict[str, dict[str, dict[str, object]]] = {}
    for clip, reading in zip(shown, readings, strict=True):
        read[clip.name] = {
            name: {
                "asked": answers(clip.spec, name),
                "read": top(reading, name),
                "score": round(max(scores.values()), 4),
            }
            for name, scores in reading.items()
        }
    return Measured(adherence, read)


class Bench:
    """Generates clips for a sampler's specs and measures them.

    `guidance_text` None is the model's own.
    """

    def __init__(
        self,
        model: Model,
        oracles: Oracles,
        steps: int,
        sampler: str,
        guidance_text: float | None = None,
    ) -> None:
        if model.card.clip is None:
            raise ValueError(f"the model folder {model.folder} does not say what clips it makes")
        self.model, self._oracles, self._clip = model, oracles, model.card.clip
        self._steps, self._sampler = steps, sampler
        self._text = None if guidance_text is None else (guidance_text, guidance_text)

    def generate(
        self,
        asked: Sequence[Asked],
        tag: float | None = None,
        references: Sequence[np.ndarray] | None = None,
    ) -> list[Shown]:
        """Return the clips asked for under a tag guidance (None: the model's own).

        `references` holds the first frame of each, uint8 [H, W, 3], where they are to be given.
        """
        settings = SamplerSettings(
            steps=self._steps,
            guidance_text=self._text,
            guidance_tag=None if tag is None else (tag, tag),
        )
        given = [{}] * len(asked) if references is None else [{0: first} for first in references]
        requests = [
            Request(spec, text, seed, pictures)
            for (spec, text, seed), pictures in zip(asked, given, strict=True)
        ]
        with ticking("Generating", count_steps(self.model, requests, settings)) as ticker:
            frames = generate_clips(self.model, requests, settings, on_step=ticker.advance)
        return [
            Shown(f"{index:04d}-{seed}", np.asarray(clip), self._clip.fps, spec)
            for index, (clip, (spec, _, seed)) in enumerate(zip(frames, asked, strict=True))
        ]

    def pairs(
        self, count: int, tag: float | None = None, seed: int = 0, references: bool = False
    ) -> Measured:
        """Return the adherence on held-out (spec, seed) pairs under a tag guidance.

        With `references` each clip starts from the first frame that the studio draws for its pair.
        """
        first = held_out_seed(seed)
        asked = []
        for number in range(first, first + count):
            spec = sample_spec(number, self._sampler)
            asked.append((spec, content_text(spec, number, self._sampler), number))
        frames = None
        if references:
            size = Size(self._clip.height, self._clip.width, self._clip.frames, self._clip.fps)
            drawn = draw_held_out(count, size, seed, self._sampler)
            frames = [clip.frames[0] for clip in drawn]
        return measure_clips(self._oracles, self.generate(asked, tag, frames))

    def swaps(self, count: int, tag: float | None = None, seed: int = 0) -> SwapReport:
        """Return what swapping a tag, the text and the seed does to the reading.

        The tags swapped are those of the sub-fields that the oracles read well enough.
        """
        weak = {*self._oracles.weak, CAMERA_MOVEMENT}
        fields = [name for name in self._oracles.accuracy if name in FIELDS and name not in weak]
        planned = plan_swaps(count, fields, self._sampler, seed)
        asked = [variant for swap in planned for variant in swap.variants()]
        readings = read_clips(self._oracles, self.generate(asked, tag))
        size = len(asked) // count
        rows = [readings[size * i : size * (i + 1)] for i in range(count)]
        return measure_swaps(planned, rows, seed)
