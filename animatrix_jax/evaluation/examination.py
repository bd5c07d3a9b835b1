"""The examination of oracles: how well they read held-out clips whose every tag is known."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from animatrix_data.procedural.oracles import (
    CAMERA_MOVEMENT,
    NOTHING,
    Reading,
    answers,
    camera_path,
    field_of,
    movement,
    path_error,
    top,
)
from animatrix_data.procedural.oracles.camera import TRAVEL, UNREAD
from animatrix_data.progress import track
from animatrix_data.taxonomy import FIELDS
from animatrix_jax.evaluation import report as tables
from animatrix_jax.evaluation.bench import read_clips
from animatrix_jax.evaluation.oracles import Oracles
from animatrix_jax.evaluation.report import UNREAD_CLIP
from animatrix_jax.evaluation.sources import Shown, draw_held_out, mean_psnr, reconstruct
from animatrix_jax.evaluation.statistics import (
    Proportion,
    area_under_curve,
    proportion,
    rank_correlation,
)
from animatrix_jax.models.oracle import FAULT
from animatrix_jax.models.oracle_camera import FIELD
from animatrix_jax.runtime.model import Model

SOFTENED = 200
"""How many clips at most go through the VAE, or have their background registered."""


def through_vae(
    model: Model, readers: Oracles, renders: int, seed: int, sampler: str
) -> tuple[list[Shown], list[Shown], float]:
    """Return held-out renders of the oracle's size, the first of them after the VAE, and print the
    PSNR in dB of these."""
    drawn = draw_held_out(renders, readers.size, seed, sampler)
    first = drawn[:SOFTENED]
    frames = np.stack([clip.frames for clip in first])
    decoded = reconstruct(model, frames)
    soft = [replace(clip, frames=found) for clip, found in zip(first, decoded, strict=True)]
    value = mean_psnr(frames, decoded)
    print(f"VAE on {len(first)} held-out renders: {value:.2f} dB")
    return drawn, soft, value


def examine(
    readers: Oracles, model: Model, renders: int, seed: int, sampler: str
) -> dict[str, Any]:
    """Measure the oracles on held-out renders, print how they do, and return the numbers.

    Tags are asked of clips without faults; each fault is told from those. A clip that an oracle
    does not answer is right or wrong in no share; the confusion counts it as `UNREAD_CLIP`.
    """
    drawn, soft, value = through_vae(model, readers, renders, seed, sampler)
    read = [read_clips(readers, shown) for shown in (drawn, soft)]
    sound = [[not clip.faults for clip in shown] for shown in (drawn, soft)]
    rows, confusion, per_answer = {}, {}, {}
    names = [n for n in readers.labels if field_of(n) in FIELDS]
    for name in (*names, *((CAMERA_MOVEMENT,) if FIELD in names else ())):
        raw, after = (
            asked_and_read(shown, readings, kept, name)
            for shown, readings, kept in zip((drawn, soft), read, sound, strict=True)
        )
        rows[name] = (share_right(raw), share_right(after))
        asked = [texts[0] for texts, _ in raw]
        confusion[name] = tables.confusion(asked, [text or UNREAD_CLIP for _, text in raw])
        per_answer[name] = {
            text: share_right([pair for pair in raw if text in pair[0]]) for text in confusion[name]
        }
        weak = readers.unmeasured.get(name, {})
        tables.show(tables.answer_table(name, per_answer[name], confusion[name], weak))
    tables.show(tables.oracle_table(rows, readers.classical, tuple(readers.weak)))
    faults = _faults(drawn, soft, read)
    if faults:
        tables.show(tables.fault_table(faults))
    path = camera_numbers([clip for clip in drawn[:SOFTENED] if not clip.faults])
    tables.show(tables.path_table(path))
    accuracy = {name: {"raw": raw, "reconstructed": after} for name, (raw, after) in rows.items()}
    return {
        "renders": renders,
        "vae_psnr": value,
        "accuracy": accuracy,
        "per_answer": per_answer,
        "confusion": confusion,
        "faults": faults,
        "camera_path": path,
    }


def camera_numbers(shown: Sequence[Shown]) -> dict[str, float | int | None]:
    """Return how well the classical oracle registers the background of drawn clips.

    Of the clips whose background travels at least `TRAVEL` pixels the error as a share of the
    travel, of those whose camera stands still the drift in pixels (`path_error`): the median and
    the 95th percentile, None where there is no such clip. A path whose background is hardly seen
    (`UNREAD`) is not read: `unread` is how many clips have such a one.
    """
    clips = [clip for clip in shown if clip.camera]
    paths = [camera_path(clip.frames) for clip in track(clips, label="Registering")]
    errors = [
        path_error(path, clip.camera, *clip.frames.shape[1:3])
        for path, clip in zip(paths, clips, strict=True)
        if clip.camera and path.seen >= UNREAD
    ]
    moving = [error.relative for error in errors if error.travel >= TRAVEL]
    still = [error.drift for error in errors if error.travel == 0]
    numbers: dict[str, float | int | None] = {
        "moving": len(moving), "still": len(still), "unread": len(clips) - len(errors),
    }  # fmt: skip
    for name, values in (("error", moving), ("drift", still)):
        for key, share in (("median", 50), ("p95", 95)):
            numbers[f"{name}_{key}"] = float(np.percentile(values, share)) if values else None
    return numbers


Pair = tuple[tuple[str, ...], str | None]
"""What may be read of a clip, and what is; None where the oracle is not sure enough to answer."""


def asked_and_read(
    shown: Sequence[Shown], readings: Sequence[Reading], kept: Sequence[bool], name: str
) -> list[Pair]:
    """Return what is asked of each sound clip in a sub-field and what is read; a clip that asks for
    nothing counts where the oracle can answer so. None is read where a reading lacks the
    sub-field."""
    if name == CAMERA_MOVEMENT:
        moves = asked_and_read(shown, readings, kept, FIELD)
        return [(tuple(map(movement, asked)), read and movement(read)) for asked, read in moves]
    pairs: list[Pair] = []
    for clip, reading, sound in zip(shown, readings, kept, strict=True):
        nothing = (NOTHING,) if NOTHING in reading.get(name, ()) else ()
        if sound and (asked := answers(clip.spec, name) or nothing):
            pairs.append((asked, top(reading, name) if name in reading else None))
    return pairs


def share_right(pairs: Sequence[Pair]) -> Proportion:
    """Return how often what is read is right; what is not read counts neither way."""
    read = [text in asked for asked, text in pairs if text is not None]
    return proportion(sum(read), len(read))


def _faults(
    drawn: Sequence[Shown], soft: Sequence[Shown], read: Sequence[Sequence[Reading]]
) -> dict[str, dict[str, float | int | None]]:
    """Return by kind of fault the area under the ROC, drawn and after the VAE, and how the score
    of sound clips goes with their deformation."""
    found: dict[str, dict[str, float | int | None]] = {}
    for name in (name for name in read[0][0] if name.startswith(FAULT)):
        kind = name.removeprefix(FAULT)
        areas: list[float | None] = []
        for shown, readings in zip((drawn, soft), read, strict=True):
            scores = np.array([reading[name][kind] for reading in readings])
            broken = np.array([kind in clip.faults for clip in shown], bool)
            sound = np.array([not clip.faults for clip in shown], bool)
            some = broken.any() and sound.any()
            areas.append(area_under_curve(scores[broken], scores[sound]) if some else None)
        pairs = [
            (reading[name][kind], clip.deformation)
            for clip, reading in zip(drawn, read[0], strict=True)
            if not clip.faults
        ]
        correlation = rank_correlation(*np.array(pairs).T) if pairs else None
        count = sum(kind in clip.faults for clip in drawn)
        found[kind] = {"clips": count, "auc": areas[0], "reconstructed": areas[1],
                       "correlation": correlation}  # fmt: skip
    return found
