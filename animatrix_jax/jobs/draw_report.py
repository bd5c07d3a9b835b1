"""The report of `animatrix draw --report`: tables for people, JSON beside the corpus."""

import json
from collections.abc import Sequence

import numpy as np
from rich.table import Table
from scipy.stats import spearmanr

from animatrix_data.corpus.catalogue import Catalogue, ClipRow
from animatrix_data.corpus.video import decode_video
from animatrix_data.procedural.report import (
    CorpusReport,
    Described,
    corpus_report,
    describe_row,
)
from animatrix_data.procedural.scores import Scores, read_flow, scores_from
from animatrix_data.progress import track
from animatrix_jax.evaluation.report import AXIS_NAMES, percent, show, write_report

REPORT_NAME = "report.json"
MEASURED_CLIPS = 48
"""From how many clips, spread over the corpus, the scores are measured."""
LEADERS = 6
"""How many tags of a field a table names; the JSON has all."""


def report_specs(clips: Sequence[Described]) -> CorpusReport:
    """Print the distribution of clips that are not drawn, and return it."""
    report = corpus_report(clips)
    _show(report, f"{report.clips} specs, nothing drawn; deformation as asked")
    return report


def report_corpus(catalogue: Catalogue) -> CorpusReport:
    """Print the distribution of a corpus, write it into its folder as JSON and return it.

    Where the truth of its clips is known, the scores measured from some of them are compared with
    it. Raises ValueError for a corpus without clips or with tags outside the vocabulary.
    """
    report = corpus_report([describe_row(row) for row in catalogue])
    _show(report, f"{report.clips} clips of {catalogue.folder}")
    agreement = _agreement(catalogue)
    if agreement:
        show(_agreement_table(agreement, min(MEASURED_CLIPS, report.clips)))
    path = catalogue.folder / REPORT_NAME
    write_report(path, {"report": report, "spearman": agreement})
    return report


def _agreement(catalogue: Catalogue) -> dict[str, dict[str, float]]:
    """Return how scores measured from pixels agree with the truth (Spearman), by score and way."""
    known = [row for row in catalogue if row.truth and row.motion_amplitude is not None]
    places = np.unique(np.linspace(0, len(known) - 1, min(MEASURED_CLIPS, len(known))).astype(int))
    rows = [known[place] for place in places.tolist()] if len(known) > 2 else []
    found = [_measure(catalogue, row) for row in track(rows, label="Measuring")]
    if not found:
        return {}
    true = {
        "motion amplitude": [row.motion_amplitude for row in rows],
        "deformation": [row.deformation for row in rows],
    }
    ways = dict(zip(("flow", "flow and exact keypoints"), zip(*found, strict=True), strict=True))
    return {
        name: {
            way: float(spearmanr(values, [getattr(s, name.replace(" ", "_")) for s in scores])[0])
            for way, scores in ways.items()
        }
        for name, values in true.items()
    }


def _measure(catalogue: Catalogue, row: ClipRow) -> tuple[Scores, Scores]:
    """Return a clip's scores by flow alone, and with its exact keypoints."""
    assert row.truth is not None
    video = decode_video(catalogue.clip_path(row))
    keypoints = json.loads(row.truth)["keypoints"]
    flow, height = read_flow(video.frames, video.fps), video.frames.shape[1]
    return (
        scores_from(flow, height, video.fps),
        scores_from(flow, height, video.fps, keypoints),
    )


def _show(report: CorpusReport, title: str) -> None:
    show(_stated_table(report, title))
    show(_field_table(report))
    show(_content_table(report))
    show(_score_table(report))


def _stated_table(report: CorpusReport, title: str) -> Table:
    """Return the shares that the paper states beside those found."""
    table = Table("", "", "paper", "here", "", title=title)
    for share in report.stated:
        bound = "< " if share.below else "≈ "
        table.add_row(
            AXIS_NAMES[share.axis],
            share.claim,
            bound + percent(share.stated),
            f"{100 * share.found:.1f} %",
            "agrees" if share.agrees else "differs",
        )
    return table


def _field_table(report: CorpusReport) -> Table:
    """Return the most frequent tags of every field, and how uneven it is."""
    table = Table("", "Gini", "most frequent (share of the clips)", "in none", title="Tags")
    for axis in (name for name in AXIS_NAMES if name in report.gini):
        table.add_row(f"[bold]{axis} {AXIS_NAMES[axis]}", f"[bold]{report.gini[axis]:.2f}", "", "")
    table.add_section()
    for field, counts in report.marginals.items():
        leaders = list(counts.items())[:LEADERS]
        named = ", ".join(f"{n} {percent(c / report.clips)}" for n, c in leaders if c)
        absent = sum(count == 0 for count in counts.values())
        uneven = f"{report.gini[field]:.2f}" if field in report.gini else "–"
        table.add_row(field, uneven, named or "–", str(absent))
    return table


def _content_table(report: CorpusReport) -> Table:
    """Return the content classes of every style."""
    classes = sorted({name for counts in report.content.values() for name in counts})
    table = Table("", "clips", *classes, title="Content by style")
    for style, counts in report.content.items():
        total = sum(counts.values())
        cells = [percent(counts.get(name, 0) / total) for name in classes]
        table.add_row(style, str(total), *cells)
    return table


def _score_table(report: CorpusReport) -> Table:
    """Return the histograms of the scores, and the faults."""
    rows = {"deformation": report.deformation, "motion amplitude": report.motion_amplitude}
    table = Table("", *(f"{b / 10:.1f}–" for b in range(10)), title="Scores (clips by score)")
    for name, counts in rows.items():
        if counts:
            table.add_row(name, *map(str, counts))
    faults = ", ".join(f"{kind} {count}" for kind, count in report.faults.items())
    table.caption = f"faults: {faults or 'none'}"
    return table


def _agreement_table(agreement: dict[str, dict[str, float]], clips: int) -> Table:
    """Return how far measured scores agree with true ones."""
    ways = list(next(iter(agreement.values())))
    table = Table("", *ways, title=f"Measured scores against true ones (Spearman, {clips} clips)")
    for name, found in agreement.items():
        table.add_row(name, *(f"{found[way]:.2f}" for way in ways))
    return table
