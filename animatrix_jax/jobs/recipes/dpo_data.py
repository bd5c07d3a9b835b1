"""The pairs of a preference run: drawn, read and put on the device as the clips of a flow run."""

from collections.abc import Iterator
from typing import Any

import jax.numpy as jnp
import numpy as np

from animatrix_data.corpus.pairs import read_pairs
from animatrix_data.pipeline.pairs import PairSelection, Places, PlaceSequence, split_pairs
from animatrix_data.sampling.selection import Drawing
from animatrix_jax.jobs.recipes.dpo_settings import DPOSettings
from animatrix_jax.jobs.recipes.flow_corpus import CorpusClips, even
from animatrix_jax.jobs.recipes.flow_data import MEMORY_LIMIT, FlowClips
from animatrix_jax.training.state import Batch

ANY_TIER = "CT"
"""The stage that takes clips of every tier: pairs say themselves which they are."""


class PairClips(FlowClips):
    """The pairs of a run, ready to be drawn; made as `FlowClips`, for settings of pairs.

    A batch has what `training.preference` says. `reference_errors` are 0 until `know` was told the
    reference model's. Raises ValueError as `FlowClips`, `read_pairs` and `Places.feed` do.
    """

    def _gather(self) -> None:
        s = self._settings
        assert isinstance(s, DPOSettings), "a preference run has settings of its own"
        self._pairs = read_pairs(s.corpus)
        self.places = Places(self._pairs, s.draws)
        trained, held_out = split_pairs(self._pairs, s.held_out)
        own = CorpusClips(s.corpus, ANY_TIER, s.shortest, 0)
        self._corpora, stage, folder = [own], s.stages[0], s.caches[0]
        own.check(self._wanted(stage), stage, folder, even, last=False)
        clips = own.feed(self._wanted(stage), stage, folder, None, 0 if s.workers else MEMORY_LIMIT)
        self.clips, self._measured = clips, self.places.feed(clips)
        self._feeds = [self._measured]
        rows = self.places.rows_of(trained)
        self._drawn = PairSelection(self.places, self._measured, rows, self._seed, s.block)
        self._selection = self._drawn
        self.held_out, self._experts = len(held_out), self._placement.experts
        # One draw of each, a different one for pairs in a row.
        self.measured_on = held_out * s.draws + held_out % s.draws
        every = [self.measured_on] * self._experts
        sequence = PlaceSequence(self.places, self._measured, every, s.batch)
        self._held_out_selection, self.held_out_batches = sequence, sequence.batches
        self._errors: np.ndarray | None = None

    @property
    def digests(self) -> dict[str, str]:
        """The digests of the corpus and of its pairs."""
        return super().digests | {"pairs": self._pairs.digest}

    @property
    def errors_shape(self) -> tuple[int, int, int, int]:
        """The shape of all reference errors: [E, pairs, draws, 2]."""
        return (self._experts, len(self._pairs), self.places.draws, 2)

    def know(self, errors: np.ndarray) -> None:
        """Take the errors of the reference model, float32 [E, pairs, draws, 2]."""
        assert errors.shape == self.errors_shape
        self._errors = errors

    def needed(self) -> list[np.ndarray]:
        """Return the places that each expert's samples show, in training and held out, sorted."""
        shown = self._drawn.first(self._settings.steps * self._settings.batch)
        return [
            np.union1d(shown[expert :: self._experts], self.measured_on)
            for expert in range(self._experts)
        ]

    def in_turn(self, rows: list[np.ndarray]) -> tuple[int, Iterator[Batch]]:
        """Return how many batches show each expert's places `rows`, and these."""
        sequence = PlaceSequence(self.places, self._measured, rows, self._settings.batch)
        return sequence.batches, self._some(sequence, sequence.batches)

    def _ready(self, batch: Batch, selection: Drawing) -> Batch:
        index = batch["sample_index"].astype(np.int64)
        index = (index[..., 0] << 32) | index[..., 1]
        shown = np.vectorize(lambda sample: selection(sample).clip, otypes=[np.int64])(index)
        pair, draw = self.places.pair_and_draw(shown)
        errors = np.zeros((*shown.shape, 2), np.float32)
        if self._errors is not None:
            # Those of batches made ahead of the last step may be unknown: no step meets their NaN.
            errors = self._errors[index % self._experts, pair, draw]
        apart = self._apart(batch) | {"pair": pair, "draw": draw, "reference_errors": errors}
        return super()._ready(apart, selection)

    def _apart(self, batch: Batch) -> Batch:
        """Return a batch with winners and losers on a dim of their own, what they share once."""
        batch = dict(batch)
        if "frames" in batch:
            batch |= self._encode_both(batch.pop("frames"), batch["task"])
        else:
            batch["latents"] = _halved(batch["latents"])
            if "reference" in batch:
                batch["reference"] = _halved(batch["reference"])[:, :, 0]
        if "reference_mask" in batch:
            batch["reference_mask"] = batch["reference_mask"][:, :, : batch["latents"].shape[3]]
        return batch

    def _encode_both(self, frames: np.ndarray, task: np.ndarray) -> Batch:
        """Return what `_encode` makes of the frames [E, b, 2T, H, W, 3] of winners and losers."""
        experts, count = task.shape
        clips = _halved(frames).reshape(experts, 2 * count, -1, *frames.shape[3:])
        made = self._encode(clips, np.repeat(task, 2, axis=1))
        latents: Any = made["latents"]
        made["latents"] = latents.reshape(experts, count, 2, *latents.shape[2:])
        if "reference" in made:
            made["reference"] = jnp.asarray(made["reference"])[:, ::2]
        return made


def _halved(both: np.ndarray) -> np.ndarray:
    """Return [E, b, 2t, …] as [E, b, 2, t, …]."""
    return both.reshape(*both.shape[:2], 2, -1, *both.shape[3:])
