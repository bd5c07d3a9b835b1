"""What the reference model makes of the places of pairs, computed once and kept (decision 10).

`references/errors.npz` holds its errors ℓ of winner and loser, float32 [E, pairs, draws, 2], NaN
where nobody has asked, and the key of what they were made from.
"""

import hashlib
import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np

from animatrix_data.files import whole_file
from animatrix_data.progress import ticking
from animatrix_jax.checkpoint.folder import ModelCard
from animatrix_jax.jobs.recipes.dpo_data import PairClips
from animatrix_jax.jobs.recipes.dpo_settings import DPOSettings
from animatrix_jax.jobs.recipes.flow_card import whole
from animatrix_jax.parallel.processes import from_first
from animatrix_jax.runtime.model import Model, load_model
from animatrix_jax.training.preference import Located
from animatrix_jax.training.state import Batch

ERRORS_NAME = "errors.npz"
SAVE_SECONDS = 60.0

type Key = Mapping[str, str]
"""What reference errors depend on, in words that a sentence can quote."""


class References:
    """The errors of a reference model in a folder, as far as they are known.

    Errors of anything else than `key` says are refused with a ValueError, never written over; so
    is a file that cannot be read. `key` None takes what is there: another process has checked it.
    """

    def __init__(self, folder: Path, key: Key | None, shape: tuple[int, ...]) -> None:
        self._path, self._key = folder / ERRORS_NAME, key
        self.errors = np.full(shape, np.nan, np.float32)
        if not self._path.exists():
            return
        try:
            with np.load(self._path, allow_pickle=False) as kept:
                errors, then = kept["errors"], json.loads(str(kept["key"]))
        except Exception as error:
            raise ValueError(
                f"{self._path} cannot be read as reference errors: without it they are made anew"
            ) from error
        for name, now in (key or {}).items():
            if then.get(name) != now:
                raise ValueError(
                    f"the reference errors in {folder} are of another {name} ({then.get(name)}, "
                    f"not {now}): give another folder, or remove this one"
                )
        if errors.shape != shape:
            raise ValueError(
                f"the reference errors in {folder} are of {errors.shape} experts, pairs and draws, "
                f"not {shape}: give another folder, or remove this one"
            )
        self.errors = errors

    def missing(self, needed: list[np.ndarray]) -> list[np.ndarray]:
        """Return those of each expert's places whose errors are not known."""
        known = np.isfinite(self.errors).all(axis=-1).reshape(len(self.errors), -1)
        return [rows[~known[expert, rows]] for expert, rows in enumerate(needed)]

    def put(self, found: Located) -> None:
        """Take what was measured of a batch; ValueError where an error is not finite."""
        numbers, pair, draw = map(np.asarray, found)
        if not np.isfinite(numbers).all():
            expert, place, _ = np.argwhere(~np.isfinite(numbers))[0]
            raise ValueError(
                f"the reference model's error of pair {pair[expert, place]} is not a number: the "
                "model or the latents of its clips are damaged"
            )
        scatter(self.errors, numbers, pair, draw)

    def save(self) -> None:
        """Write the file, whole or not at all."""
        assert self._key is not None, "the process that writes has the key"
        with whole_file(self._path) as temporary:
            np.savez(temporary, errors=self.errors, key=json.dumps(dict(self._key)))


def scatter(table: np.ndarray, numbers: Any, pair: Any, draw: Any) -> None:
    """Write numbers [E, B, …] where they belong in a table [E, pairs, draws, …]."""
    for expert, own in enumerate(np.asarray(numbers)):
        table[expert, np.asarray(pair)[expert], np.asarray(draw)[expert]] = own


def open_references(
    settings: DPOSettings, seed: int, card: ModelCard, clips: PairClips, vae: Model, text: Model
) -> References:
    """Return what is known of a run's reference model; ValueError as `References`.

    Of several processes the first alone reads the model's weights for its digest, and writes.
    """
    first = jax.process_index() == 0
    key = reference_key(settings, seed, card, clips, vae, text) if first else None
    kept = References(settings.references, key, clips.errors_shape)
    # What is missing decides how many batches are measured: all must see the same.
    kept.errors = from_first(kept.errors)
    return kept


def know_references(
    kept: References, clips: PairClips, measure: Callable[[Any, Batch], Located], params: Any
) -> None:
    """Give `clips` the errors of the reference `params`; what is not known is computed and kept.

    Only the places that the run draws are asked for, of each expert: a run that is made longer, or
    that was stopped meanwhile, computes what is missing. `measure` is `measure_errors` on the mesh
    on which the processes of the run share the work. Raises ValueError as `References.put` does.
    """
    first = jax.process_index() == 0
    missing = kept.missing(clips.needed())
    if any(len(rows) for rows in missing):
        count, batches = clips.in_turn(missing)
        saved = time.monotonic()
        with ticking("Asking the reference model", count) as ticker:
            for batch in batches:
                kept.put(measure(params, batch))
                ticker.advance()
                if first and time.monotonic() - saved > SAVE_SECONDS:
                    kept.save()
                    saved = time.monotonic()
        if first:
            kept.save()
    clips.know(kept.errors)


def reference_key(
    settings: DPOSettings, seed: int, card: ModelCard, clips: PairClips, vae: Model, text: Model
) -> Key:
    """Return what a run's reference errors depend on: models by digest, pairs, data, draws."""
    assert settings.initial is not None, "the reference is the initial model"
    config, schedule = whole(card)
    meta = clips.clips.reader.meta
    latents = [vae.vae_digest, clips.digests["corpus"], getattr(meta, "dtype", "frames")]
    latents += [repr(meta.buckets), getattr(meta, "fitted", "")]
    words = [text.text_digest, repr(settings.perturbation), str(settings.block)]
    words += [settings.text, str(config.dit.text_length)]
    words += [repr(getattr(meta, "text", None) if settings.text == "cached" else None)]
    precision = (config.dit.dtype, config.dit.residual_dtype, settings.tied)
    return {
        "model": load_model(settings.initial).digest,
        "table of pairs": clips.digests["pairs"],
        "kind of latents": _digest(latents),
        "wording": _digest(words),
        "seed": str(seed),
        "number of draws": str(settings.draws),
        "shift": f"{schedule.shift:g}",
        "boundary": str(schedule.boundary),
        "knee": f"{settings.knee:g}",
        "precision": _digest(map(str, precision)),
    }


def _digest(parts: Any) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
