"""`animatrix evaluate`: how well clips, or a model, show what was asked of them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from animatrix_data.files import check_writable
from animatrix_data.procedural import find_sampler
from animatrix_jax.checkpoint.folder import ModelCard
from animatrix_jax.diffusion.guidance import high_low
from animatrix_jax.evaluation import report as tables
from animatrix_jax.evaluation.bench import Bench, measure_clips
from animatrix_jax.evaluation.examination import examine, through_vae
from animatrix_jax.evaluation.oracles import load_oracles
from animatrix_jax.evaluation.sources import held_out_seed, load_clips
from animatrix_jax.runtime.model import find_model, load_model

RENDERS = 200

Numbers = float | Sequence[float] | str


STEPS = 20
"""Solver steps that a model is measured with."""


def run(
    clips: str | Path | None = None,
    out: str | Path = "report.json",
    model: str | Path = "pocket",
    *,
    oracles: bool = False,
    pairs: int = 0,
    references: bool = False,
    swaps: int = 0,
    guidance_tag: Numbers | None = None,
    guidance_text: float | None = None,
    steps: int | None = None,
    seed: int = 0,
    renders: int = RENDERS,
    sampler: str | None = None,
    oracle: str | Path | None = None,
) -> dict[str, Any]:
    """Measure, print tables, write the report `out` (JSON) and return it.

    `clips` is a folder that `generate` or `draw` wrote: its adherence is measured. `oracles` draws
    `renders` held-out clips and says how well they are read, as drawn and, the first of them, after
    the VAE of `model`.
    `pairs` held-out (spec, seed) pairs of the `sampler` are generated and measured, once per value
    of `guidance_tag` (a number or "0,1,2"; None: the model's own), with `references` from the first
    frames that the studio draws for them. `swaps` exchanges tags, texts and seeds, under the last
    value of `guidance_tag`. Either takes `steps` solver steps (None: 20, or what the model was
    distilled for). The oracle is that of `model`, or the one that `oracle` names; the sampler is
    its own unless another is named. Raises ValueError (or OSError)
    in one sentence when nothing is asked for or something cannot be done.
    """
    if clips is None and not (oracles or pairs or swaps):
        raise ValueError("say what to measure: --clips FOLDER, --oracles, --pairs N or --swaps N")
    for name, count, least in (("pairs", pairs, 0), ("swaps", swaps, 0), ("renders", renders, 1)):
        if count < least:
            raise ValueError(f"{name} must be {least} or more, not {count}")
    if references and not pairs:
        raise ValueError("references are for pairs: say how many with --pairs N")
    scales = _numbers(guidance_tag)
    check_writable(out)
    held_out_seed(seed)
    if sampler is not None:
        find_sampler(sampler)
    shown = [] if clips is None else load_clips(clips)
    if oracle is None and not Path(model).exists():
        find_model(model)
    readers = load_oracles(model if oracle is None else oracle)
    sampler = readers.sampler if sampler is None else sampler
    report: dict[str, Any] = {
        "model": str(model),
        "oracle": str(model if oracle is None else oracle),
        "seed": seed,
        "sampler": sampler,
        "oracle_accuracy": readers.accuracy,
        "not_measured": readers.weak,
        "unmeasured": readers.unmeasured,
    }
    if clips is not None:
        measured = measure_clips(readers, shown)
        title = f"{len(shown)} clips of {clips}"
        tables.show(tables.adherence_table(measured.adherence, title))
        report["clips"] = {"folder": str(clips), "measured": measured}
    if oracles:
        report["oracles"] = examine(readers, load_model(model), renders, seed, sampler)
    if pairs or swaps:
        loaded = load_model(model)
        steps = steps or _usual_steps(loaded.card)
        bench = Bench(loaded, readers, steps, sampler, guidance_text)
        report["steps"] = steps
        if not oracles:
            count = min(renders, 64)
            report["vae_psnr"] = through_vae(bench.model, readers, count, seed, sampler)[2]
        if pairs:
            report["pairs"] = _pairs(bench, pairs, references, scales, seed)
        if swaps:
            found = bench.swaps(swaps, scales[-1], seed)
            tables.show(tables.swap_table(found))
            report["swaps"] = found
    tables.write_report(out, report)
    return report


def _numbers(value: Numbers | None) -> list[float | None]:
    """Return the tag guidances asked for: one, several, or [None] where none is."""
    if value is None:
        return [None]
    parts = value.split(",") if isinstance(value, str) else value
    try:
        numbers = [float(part) for part in (parts if isinstance(parts, Sequence) else [parts])]
    except ValueError as error:
        raise ValueError(f"guidance_tag is numbers with commas between, not {value!r}") from error
    if not numbers or not np.isfinite(numbers).all():
        raise ValueError(f"guidance_tag is numbers with commas between, not {value!r}")
    return list(numbers)


def _usual_steps(card: ModelCard) -> int:
    """Return how many steps a model is measured with: 20, or those that it was distilled for."""
    return card.steps if card.grid == "anchors" else STEPS


def _pairs(
    bench: Bench, count: int, references: bool, scales: list[float | None], seed: int
) -> dict[str, Any]:
    """Measure held-out pairs under each tag guidance, and print what came of it."""
    kind = "held-out pairs with their first frames" if references else "held-out pairs"
    found = {}
    for scale in scales:
        own, _ = high_low(bench.model.card.guidance_tag if scale is None else scale, "guidance_tag")
        found[own] = bench.pairs(count, scale, seed, references)
        title = f"{count} {kind} under tag guidance {own:g}"
        tables.show(tables.adherence_table(found[own].adherence, title))
    if len(found) > 1:
        tables.show(tables.guidance_table({own: m.adherence for own, m in found.items()}))
    by_guidance = {f"{own:g}": measured for own, measured in found.items()}
    return {"count": count, "references": references, "by_guidance": by_guidance}
