"""Reports of measurements: tables for people, JSON for files."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from animatrix_data.files import whole_file
from animatrix_jax.evaluation.adherence import NEEDED_ACCURACY, Adherence, AdherenceReport
from animatrix_jax.evaluation.statistics import Proportion
from animatrix_jax.evaluation.swaps import SwapReport

UNREAD_CLIP = "not read"
"""What a confusion says of a clip that an oracle is not sure enough to answer."""
AXIS_NAMES = {"S": "Style", "M": "Motion", "C": "Camera", "V": "VFX"}


def percent(value: float | None) -> str:
    """Return a share as '87 %'; '–' where there is none."""
    return "–" if value is None or math.isnan(value) else f"{100 * value:.0f} %"


def interval(found: Proportion) -> str:
    """Return a share with its interval: '87 % [80, 92]'."""
    return f"{percent(found.share)} [{100 * found.low:.0f}, {100 * found.high:.0f}]"


def adherence_table(report: AdherenceReport, title: str) -> Table:
    """Return adherence by axis and sub-field, beside chance and the oracle's own accuracy."""
    table = Table(title=title)
    for heading in ("", "clips", "adherence [95 %]", "chance", "oracle", ""):
        table.add_column(heading, justify="left" if not heading else "right")
    for entry in report.axes:
        table.add_row(f"[bold]{entry.axis} {AXIS_NAMES[entry.axis]}", *_cells(entry), "")
    table.add_section()
    for entry in report.sub_fields:
        note = "" if entry.measured else f"not measured: oracle below {percent(NEEDED_ACCURACY)}"
        note = f"{note}; {unread}".strip("; ") if (unread := _unread(entry)) else note
        table.add_row(f"{entry.axis} {entry.name}", *_cells(entry), note)
    return table


def _unread(entry: Adherence) -> str:
    return f"{entry.unread} more not read" if entry.unread else ""


def _cells(entry: Adherence) -> list[str]:
    found = interval(entry.found) if entry.measured else f"({percent(entry.found.share)})"
    return [str(entry.found.trials), found, percent(entry.chance.mean), percent(entry.accuracy)]


def oracle_table(
    rows: Mapping[str, tuple[Proportion, ...]], classical: Sequence[str], weak: Sequence[str]
) -> Table:
    """Return how often each sub-field's oracle is right: clips as drawn, and after the VAE."""
    table = Table(title="Oracles on held-out renders")
    for heading in ("", "as drawn [95 %]", "after the VAE [95 %]", "oracle", ""):
        table.add_column(heading)
    for name, found in rows.items():
        kind = "classical" if name in classical else "learned"
        note = f"not measured: below {percent(NEEDED_ACCURACY)}" if name in weak else ""
        table.add_row(name, *[interval(value) for value in found], kind, note)
    return table


def confusion(asked: Sequence[str], read: Sequence[str]) -> dict[str, dict[str, int]]:
    """Return how often each answer asked was read as which."""
    counts: dict[str, dict[str, int]] = {}
    for wanted, found in zip(asked, read, strict=True):
        row = counts.setdefault(wanted, {})
        row[found] = row.get(found, 0) + 1
    return {wanted: counts[wanted] for wanted in sorted(counts)}


def answer_table(
    name: str,
    shares: Mapping[str, Proportion],
    counts: Mapping[str, Mapping[str, int]],
    unmeasured: Mapping[str, float],
) -> Table:
    """Return how often each answer of a sub-field is read right, of the clips that are read, what
    is read instead, and how many clips are not read."""
    table = Table(title=f"{name} as drawn")
    for heading in ("asked", "read", "read right [95 %]", "read instead", "not read", ""):
        table.add_column(heading)
    for text, found in shares.items():
        others = sorted(counts[text].items(), key=lambda item: -item[1])
        own = (text, UNREAD_CLIP)
        instead = ", ".join(f"{other} {count}" for other, count in others if other not in own)
        note = "not measured" if text in unmeasured else ""
        unread = str(counts[text].get(UNREAD_CLIP, 0) or "")
        table.add_row(text, str(found.trials), interval(found), instead, unread, note)
    return table


def fault_table(rows: Mapping[str, Mapping[str, float | int | None]]) -> Table:
    """Return how well each kind of fault is told from sound clips, and whether deformation that is
    asked for is taken for one."""
    table = Table(title="Faults told from sound clips")
    for heading in ("", "clips", "AUC as drawn", "AUC after the VAE", "Spearman with deformation"):
        table.add_column(heading, justify="right" if heading else "left")
    for kind, row in rows.items():
        numbers = [row[key] for key in ("auc", "reconstructed", "correlation")]
        cells = ["–" if number is None else f"{number:.3f}" for number in numbers]
        table.add_row(kind, str(row["clips"]), *cells)
    return table


def path_table(numbers: Mapping[str, float | int | None]) -> Table:
    """Return how far the registered path of the background is from the truth's."""
    table = Table(title="The camera's path, registered classically")
    for heading in ("", "clips", "median", "95th percentile"):
        table.add_column(heading, justify="right" if heading else "left")

    def cells(name: str, form: str) -> list[str]:
        found = [numbers[f"{name}_{key}"] for key in ("median", "p95")]
        return ["–" if number is None else form.format(number) for number in found]

    moving, still = str(numbers["moving"]), str(numbers["still"])
    table.add_row("error, as a share of the travel", moving, *cells("error", "{:.1%}"))
    table.add_row("drift where the camera stands still", still, *cells("drift", "{:.2f} px"))
    table.add_row("not read: too little background", str(numbers["unread"]), "", "")
    return table


def guidance_table(reports: Mapping[float, AdherenceReport]) -> Table:
    """Return adherence by axis and measured sub-field under each tag guidance."""
    table = Table(title="Adherence under tag guidance")
    table.add_column("tag guidance", justify="right")
    first = next(iter(reports.values()))
    columns = [entry for entry in (*first.axes, *first.sub_fields) if entry.measured]
    for entry in columns:
        table.add_column(entry.name, justify="right")
    for guidance, report in reports.items():
        named = {entry.name: entry for entry in (*report.axes, *report.sub_fields)}
        cells = [percent(named[entry.name].found.share) for entry in columns]
        table.add_row(f"{guidance:g}", *cells)
    return table


def swap_table(report: SwapReport) -> Table:
    """Return what swapping a tag, the text and the seed did to the reading."""
    table = Table(title=f"Swaps ({report.followed.trials})")
    for heading in ("", "share [95 %]", "chance (95 % bound)"):
        table.add_column(heading, justify="left" if not heading else "right")
    chance = f"{percent(report.chance.mean)} ({percent(report.chance.bound)})"
    table.add_row("[bold]the reading follows the new tag", interval(report.followed), chance)
    for field, found in report.fields.items():
        table.add_row(f"  {field} ({found.trials})", interval(found), "")
    table.add_section()
    for what, found in (("tag", report.tag), ("text", report.text), ("seed", report.seed)):
        table.add_row(f"another {what} changes the reading", interval(found), "")
    if report.unread:
        table.add_row("not read, and counted nowhere", str(report.unread), "")
    return table


def show(*tables: Table) -> None:
    """Print tables on the terminal."""
    console = Console()
    for table in tables:
        console.print(table)


def as_json(value: Any) -> Any:
    """Return dataclasses and mappings as JSON can hold them; what is not a number becomes null."""
    if is_dataclass(value) and not isinstance(value, type):
        share = {"share": value.share} if isinstance(value, Proportion) else {}
        fields = {name: getattr(value, name) for name in asdict(value)}
        return as_json({**share, **fields})
    if isinstance(value, Mapping):
        return {str(key): as_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [as_json(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def write_report(path: str | Path, report: Mapping[str, Any]) -> None:
    """Write a report as JSON, whole or not at all."""
    with whole_file(path) as temporary:
        temporary.write_text(json.dumps(as_json(report), indent=1) + "\n", encoding="utf-8")
