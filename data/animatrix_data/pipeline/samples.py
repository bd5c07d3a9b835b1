"""What a sample is before anything is read: its clip, its task, its conditions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from animatrix_data.pipeline.conditioning import Conditioned, Perturbation, condition
from animatrix_data.pipeline.sources import Feed
from animatrix_data.sampling.curriculum import prompt_complexity
from animatrix_data.sampling.selection import T2I, Chosen, Drawing

TEMPORAL_FIELDS = ("CameraMotion", "MotionAmplitude", "MotionSpeed")
"""Sub-fields that say nothing of one frame: masked out of T2I samples."""


@dataclass(frozen=True)
class Sample:
    """What sample `index` is: a row of a source, its task id (`sampling.selection`), its words.

    `conditions` is what is wrong with the clip's words, as a ValueError, where they cannot be read.
    """

    index: int
    source: int
    row: int
    task: int
    conditions: Conditioned | ValueError


class Describe:
    """The map from a sample's index to a sample; pure, picklable, safe to call from threads.

    `cached` texts are of the wordings that a source keeps. Where a feed says how difficult its
    clips are, prompts grow with difficulty and progress (section 5.2).
    """

    def __init__(
        self,
        selection: Drawing,
        feeds: Sequence[Feed],
        seed: int,
        rates: Perturbation,
        block: int,
        cached: bool,
    ) -> None:
        self._selection, self._feeds = selection, tuple(feeds)
        self._seed, self._rates, self._block, self._cached = seed, rates, block, cached

    def __call__(self, index: int, row: int) -> Sample:
        """Return sample `index`, which shows clip `row`, as the selection says too."""
        return self._describe(index, self._selection(index))

    def again(self, index: int, attempt: int) -> Sample:
        """Return sample `index` where the clips of `attempt` draws could not be read."""
        return self._describe(index, self._selection.redraw(index, attempt))

    def _describe(self, index: int, chosen: Chosen) -> Sample:
        conditions: Conditioned | ValueError
        try:
            conditions = self._conditions(index, chosen)
        except ValueError as error:
            # Whoever reads the sample has another drawn in its place, and names the clip.
            conditions = error
        return Sample(index, chosen.source, chosen.clip, chosen.task, conditions)

    def _conditions(self, index: int, chosen: Chosen) -> Conditioned:
        feed, row, complexity = self._feeds[chosen.source], chosen.clip, None
        if feed.difficulty is not None:
            complexity = float(prompt_complexity(chosen.tau, feed.difficulty[row]))
        wordings = None
        if self._cached:
            wordings = feed.texts.wordings(row, feed.wordings, self._rates, feed.wording_seed)
        return condition(
            feed.texts(row),
            self._seed,
            index if chosen.conditioned is None else chosen.conditioned,
            self._rates,
            TEMPORAL_FIELDS if chosen.task == T2I else (),
            complexity,
            wordings,
            self._block,
        )
