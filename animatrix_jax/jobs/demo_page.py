"""The demo's page: clips beside what was asked and read, the loss, the adherence. One HTML file."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from animatrix_data.files import whole_file
from animatrix_jax.evaluation.adherence import AdherenceReport
from animatrix_jax.evaluation.report import AXIS_NAMES, percent

TEMPLATE = "demo.html.jinja"
INK, ACCENT = "#010203", "#040506"
"""Colours that stand in the drawn figure for the page's own."""
AVERAGED = 0.1
"""The share of all steps that the drawn loss averages over."""

FIELD_NAMES = {
    "VideoStyle": "style",
    "MotionStyle": "motion style",
    "MotionType": "motion",
    "MotionAmplitude": "amplitude",
    "MotionSpeed": "speed",
    "ShotScale": "shot",
    "ShotAngle": "angle",
    "CameraMotion": "camera",
    "CameraMovement": "camera, whichever way",
    "VFX": "effect",
    "Emotion": "emotion",
}


@dataclass(frozen=True)
class Seen:
    """A sub-field: what was asked, what the oracle read; `hit` None where it reads too poorly."""

    field: str
    asked: str
    read: str
    hit: bool | None


@dataclass(frozen=True)
class Card:
    """One clip on the page; paths are relative to it. `share` of the tags are read as asked."""

    title: str
    video: str
    poster: str
    text: str
    tags: str
    seen: Sequence[Seen]
    record: str | None = None
    still: str | None = None
    note: str = ""
    share: float | None = None


@dataclass(frozen=True)
class Page:
    """Everything the page shows; `phases` are seconds, `facts` numbers that its sentences name."""

    shots: Sequence[Card]
    guided: Sequence[tuple[float, Card]]
    references: Sequence[Card]
    adherence: AdherenceReport
    records: Sequence[Mapping[str, Any]]
    phases: Mapping[str, float]
    facts: Mapping[str, Any] = field(default_factory=dict)


def templates() -> Environment:
    """Return the pages' templates, which lie beside the jobs; a name that is missing raises."""
    return Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def write_page(path: Path, page: Page) -> Path:
    """Write the page, whole or not at all, and return its path."""
    environment = templates()
    environment.filters |= {"percent": percent, "field_name": field_name, "minutes": minutes}
    steps, losses = training_losses(page.records)
    html = environment.get_template(TEMPLATE).render(
        page=page,
        axis_names=AXIS_NAMES,
        loss_figure=loss_figure(steps, losses, held_out_losses(page.records)),
        first_loss=float(np.mean(losses[: _width(len(losses))])),
        last_loss=float(np.mean(losses[-_width(len(losses)) :])),
        **page.facts,
    )
    with whole_file(path) as temporary:
        temporary.write_text(html, encoding="utf-8")
    return path


def field_name(name: str) -> str:
    """Return a sub-field as the page says it."""
    return FIELD_NAMES.get(name, name)


def minutes(seconds: float) -> str:
    """Return a time as '48 s' or '2 min 5 s'."""
    whole = round(seconds)
    return f"{whole} s" if whole < 60 else f"{whole // 60} min {whole % 60} s"


def training_losses(records: Sequence[Mapping[str, Any]]) -> tuple[np.ndarray, np.ndarray]:
    """Return the steps and the training losses of a run's records."""
    pairs = [(r["step"], r["loss"]) for r in records if r.get("loss") is not None]
    steps, losses = np.array(pairs, float).reshape(-1, 2).T
    return steps, losses


def held_out_losses(records: Sequence[Mapping[str, Any]]) -> list[tuple[int, float]]:
    """Return (step, loss) of the clips held out, averaged over the experts."""
    names = ("held_out_loss_high", "held_out_loss_low")
    return [
        (int(r["step"]), float(np.mean([r[name] for name in names])))
        for r in records
        if all(r.get(name) is not None for name in names)
    ]


def _width(count: int) -> int:
    return max(1, round(AVERAGED * count))


def running_mean(values: np.ndarray, width: int) -> np.ndarray:
    """Return the mean of the last `width` values at every place (of fewer at the start)."""
    sums = np.cumsum(np.concatenate([[0.0], values]))
    ends = np.arange(1, len(values) + 1)
    starts = np.maximum(ends - width, 0)
    return (sums[ends] - sums[starts]) / (ends - starts)


def loss_figure(
    steps: np.ndarray, losses: np.ndarray, held_out: Sequence[tuple[int, float]]
) -> Markup:
    """Return the loss curve as inline SVG in the page's own font and colours."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot
    from matplotlib.ticker import MaxNLocator

    style: Any = {
        "svg.fonttype": "none",
        "svg.hashsalt": "demo",
        "font.size": 9.5,
        "axes.spines.top": False,
        "axes.spines.right": False,
        **{f"{part}.color": INK for part in ("text", "xtick", "ytick")},
        "axes.edgecolor": INK,
        "axes.labelcolor": INK,
    }
    with pyplot.rc_context(style):
        figure, axes = pyplot.subplots(figsize=(8.4, 3.0))
        axes.plot(steps, losses, color=INK, alpha=0.22, linewidth=0.8)
        width = _width(len(losses))
        mean = running_mean(losses, width)
        axes.plot(steps[width - 1 :], mean[width - 1 :], color=ACCENT, linewidth=2.2)
        if held_out:
            axes.plot(*zip(*held_out, strict=True), "o", color=INK, markersize=4, alpha=0.75)
        shown = np.concatenate([mean, [value for _, value in held_out]])
        axes.set_ylim(*_limits(losses, shown))
        axes.set_xlabel("training step")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        buffer = io.StringIO()
        nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        figure.savefig(
            buffer, format="svg", transparent=True, bbox_inches="tight", metadata=nothing
        )
        pyplot.close(figure)
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg") :].replace(INK, "currentColor").replace(ACCENT, "var(--accent)")
    return Markup(svg)


def _limits(losses: np.ndarray, shown: np.ndarray) -> tuple[float, float]:
    """Return an axis that holds what matters and does not follow single spikes."""
    low = min(np.quantile(losses, 0.02), shown.min())
    high = max(np.quantile(losses, 0.98), shown.max())
    room = 0.05 * (high - low) + 1e-6
    return float(low - room), float(high + room)
