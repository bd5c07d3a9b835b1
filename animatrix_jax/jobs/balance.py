"""`animatrix balance`: how a corpus is distributed, and as what it is drawn.

It is drawn by the weights of eq. 2, as flags say, or as the training of a config does.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from animatrix_data.corpus.catalogue import TIERS
from animatrix_data.files import check_writable
from animatrix_data.sampling.balance import ALPHA, Pool, Target, balance_weights
from animatrix_data.sampling.curriculum import Curriculum, difficulty_buckets
from animatrix_data.sampling.curriculum_plot import plot_curriculum
from animatrix_data.sampling.plot import check_plot, write_plot
from animatrix_data.sampling.report import BalanceReport, balance_report
from animatrix_data.sampling.table import ClipTable, read_table
from animatrix_data.sampling.tiers import (
    SHORTEST,
    effective_tiers,
    sound_rows,
    split_stage,
    stage_rows,
)
from animatrix_data.settings import build, near
from animatrix_jax.evaluation.report import write_report
from animatrix_jax.jobs.balance_tables import left_out_lines, show_balance
from animatrix_jax.jobs.recipes.flow_corpus import weighing
from animatrix_jax.jobs.recipes.flow_settings import FlowSettings
from animatrix_jax.jobs.train import Experiment


@dataclass(frozen=True)
class Drawing:
    """What is drawn of a corpus, and how.

    `rows` gives the rows of a table that are meant, faulty and held-out ones among them, and those
    that are drawn; `weigh` the weights of clips in so many draws. `minimum` is the share that a
    pair is owed; `target`, `curriculum` and `samples` (draws) are None where nothing
    is said of them; `asked` is what the report's file keeps of it.
    """

    name: str
    rows: Callable[[ClipTable], tuple[np.ndarray, np.ndarray]]
    weigh: Callable[[ClipTable, int], np.ndarray]
    minimum: float
    target: Target | None
    curriculum: Curriculum | None
    samples: int | None
    asked: Mapping[str, Any]


def run(
    corpus: str | Path,
    alpha: float | None = None,
    minimum: float | None = None,
    epochs: float | None = None,
    samples: int | None = None,
    tiers: str | None = None,
    stage: str | None = None,
    out: str | Path | None = None,
    plot: str | Path | None = None,
    curriculum: str | Path | None = None,
    config: Any = None,
) -> BalanceReport:
    """Print what balancing does to the corpus at `corpus`, and return it.

    `alpha` (0.7) is how far eq. 2 flattens; `minimum` (0.0005) the least share of the draws of
    every pair of style and content; `epochs` the most effective epochs of any clip in `samples`
    draws (default: as many as there are clips). `tiers` (S,A) keeps clips of these tiers, `stage`
    those that serve a training stage; a clip shorter than 4 s is of tier B. In place of these five,
    `config`, of a flow experiment, draws what its training does of `corpus`, its first, in as many
    samples.
    `out` gets the report as JSON, `plot` as a picture (.png, .svg, .pdf); `curriculum` gets a
    picture of what eq. 16 draws as training goes on. Clips with tags outside the vocabulary are
    left out and named. Raises ValueError with one sentence for no corpus, no clips, a number out of
    range, an unknown tier or stage, a config that says the same as a flag, or a file that cannot be
    written.
    """
    for picture in (plot, curriculum):
        if picture is not None:
            check_plot(picture)
    for path in (out, plot, curriculum):
        if path is not None:
            check_writable(path)
    if config is None:
        drawing = _of_flags(corpus, alpha, minimum, epochs, tiers, stage)
    else:
        flags = {"alpha": alpha, "minimum": minimum, "epochs": epochs, "tiers": tiers}
        drawing = _of_config(corpus, config, flags | {"stage": stage})
    if curriculum is not None and drawing.curriculum is None:
        raise ValueError("--curriculum has nothing to show: the config has no curriculum")
    table = read_table(corpus)
    if not len(table):
        raise ValueError(f"the corpus {corpus} has no clips to balance")
    chosen, rows = drawing.rows(table)
    left_out = _faults(table, chosen)
    if not len(rows):
        clip, reason = next(iter(left_out.items()))
        raise ValueError(f"no clip of {corpus} has tags that are right; of {clip!r}: {reason}")
    clips = table.take(rows)
    draws = (drawing.samples or len(clips)) if samples is None else samples
    if draws < 1:
        raise ValueError(f"samples must be 1 or more, not {draws}")
    weights = drawing.weigh(clips, draws)
    report = balance_report(clips, weights, draws, drawing.minimum, drawing.target)
    show_balance(report, f"{report.clips:,} clips of {corpus}, {drawing.name}")
    for line in left_out_lines(left_out):
        print(line)
    if out is not None:
        asked = {**drawing.asked, "samples": draws}
        write_report(out, {"asked": asked, "report": report, "left_out": left_out})
    if plot is not None:
        write_plot(plot, report)
    if curriculum is not None and drawing.curriculum is not None:
        buckets, ranked = np.zeros(len(table), np.int32), sound_rows(table, chosen)
        buckets[ranked] = difficulty_buckets(table.scores[ranked], drawing.curriculum.quantiles)
        plot_curriculum(curriculum, buckets[rows], weights, drawing.curriculum)
    return report


def _of_flags(
    corpus: str | Path,
    alpha: float | None,
    minimum: float | None,
    epochs: float | None,
    tiers: str | None,
    stage: str | None,
) -> Drawing:
    """Return what the flags ask for; ValueError where two of them choose the clips."""
    if tiers is not None and stage is not None:
        raise ValueError("clips are chosen by --tiers or by --stage, not by both")
    flat = ALPHA if alpha is None else alpha
    least = Pool.minimum if minimum is None else minimum
    names = _tier_names(tiers)

    def rows(table: ClipTable) -> tuple[np.ndarray, np.ndarray]:
        chosen = np.arange(len(table))
        if stage is not None:
            chosen = stage_rows(table, stage)
        elif tiers is not None:
            chosen = _of_tiers(table, names, corpus)
        return chosen, sound_rows(table, chosen)

    def pool(clips: int, samples: int) -> Pool:
        return Pool(least, _most(epochs, samples, clips))

    asked = {"alpha": flat, "minimum": least, "epochs": epochs, "tiers": tiers, "stage": stage}
    return Drawing(
        f"alpha {flat:g}" + ("" if stage is None else f", stage {stage}"),
        rows,
        lambda clips, samples: balance_weights(clips, flat, pool(len(clips), samples)),
        least,
        None,
        Curriculum(),
        None,
        asked,
    )


def _of_config(corpus: str | Path, config: Any, flags: Mapping[str, Any]) -> Drawing:
    """Return what the training of a config draws of `corpus`; ValueError where a flag says it too.

    What an encoder would skip is not known here, nor the clips that fit no bucket of a sub-stage.
    """
    for name, value in flags.items():
        if value is not None:
            raise ValueError(f"what --{name} says is the config's to say: give one of the two")
    experiment = build(Experiment, config)
    if experiment.recipe != "flow":
        raise ValueError(
            f"the config is of recipe {experiment.recipe!r}: clips are weighed by recipe flow alone"
        )
    settings = build(FlowSettings, experiment.settings, "config.settings")
    weigh = weighing(settings.balance, settings.target)

    def rows(table: ClipTable) -> tuple[np.ndarray, np.ndarray]:
        train, _ = split_stage(table, settings.stage, settings.held_out, settings.shortest)
        return stage_rows(table, settings.stage, settings.shortest), train

    names = [name for name in ("balance", "target") if getattr(settings, name) is not None]
    how = f"by the config's {names[0]}" if names else "all alike"
    parts = {name: getattr(settings, name) for name in ("balance", "target", "curriculum")}
    asked = {name: None if part is None else asdict(part) for name, part in parts.items()}
    least = 0.0 if settings.balance is None else settings.balance.minimum or 0.0
    return Drawing(
        f"stage {settings.stage}, {how}",
        rows,
        lambda clips, _: weigh(clips),
        least,
        settings.target,
        settings.curriculum,
        round(settings.steps * settings.batch * settings.share),
        {"stage": settings.stage, "shortest": settings.shortest, **asked},
    )


def _faults(table: ClipTable, rows: np.ndarray) -> dict[str, str]:
    """Return what is wrong with the faulty clips among `rows`, by id."""
    faulty = rows[np.isin(rows, list(table.faulty))]
    return {table.id(row): table.faulty[row] for row in faulty.tolist()}


def _tier_names(tiers: str | None) -> list[str]:
    """Return the names in a list such as 'S,A'; ValueError for one that is no tier."""
    names = [] if tiers is None else [name.strip().upper() for name in tiers.split(",")]
    for name in names:
        if name not in TIERS:
            raise ValueError(f"there is no tier {name!r}{near(name, TIERS)}")
    return names


def _of_tiers(table: ClipTable, names: list[str], corpus: str | Path) -> np.ndarray:
    """Return the rows of some tiers; ValueError where there are none."""
    wanted = [TIERS.index(name) for name in names]
    rows = np.flatnonzero(np.isin(effective_tiers(table), wanted))
    if not len(rows):
        long = "" if "B" in names else f" and at least {SHORTEST:g} s long"
        raise ValueError(
            f"no clip of {corpus} is of tier {' or '.join(names)}{long}: the weights sum to zero"
        )
    return rows


def _most(epochs: float | None, samples: int, clips: int) -> float | None:
    """Return effective epochs as a multiple of the average clip's."""
    if epochs is None:
        return None
    if not epochs * clips >= samples:
        raise ValueError(
            f"{clips} clips at {epochs:g} epochs each give fewer than {samples} samples: allow "
            f"{samples / clips:.3g} epochs or more"
        )
    return epochs * clips / samples
