"""The table on the terminal, and under a folder the same as JSON and as a plot."""

import importlib.metadata
import json
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import jax

from side_by_side.rivals import CUDNN
from side_by_side.shapes import Shape

PACKAGES = ("jax", "jaxlib", "tokamax", "torch", "nvidia-cudnn-cu12", "nvidia-cudnn-cu13")


@dataclass(frozen=True)
class Row:
    """One rival on one shape: seconds and errors, None where there is no backward pass."""

    shape: Shape
    rival: str
    forward: float
    backward: float | None
    error: float
    gradient_error: float | None

    def speed(self, backward: bool = False) -> float | None:
        """TFLOP/s of the operations that the definition asks for."""
        seconds = self.backward if backward else self.forward
        return None if seconds is None else self.shape.work(backward) / seconds / 1e12


@dataclass
class Report:
    """Everything that a session found."""

    dtype: str
    device: str
    ceiling: float = 0.0
    rows: list[Row] = field(default_factory=list)
    missing: dict[str, str] = field(default_factory=dict)
    checks: list[dict[str, Any]] = field(default_factory=list)
    tuning: dict[str, Any] = field(default_factory=dict)

    def ratio(self, row: Row, backward: bool = False) -> float | None:
        """How many times as fast as cuDNN, which was timed in turn with it."""
        for other in self.rows:
            if other.shape == row.shape and other.rival == CUDNN:
                mine, theirs = row.speed(backward), other.speed(backward)
                return None if mine is None or theirs is None else mine / theirs
        return None

    def write(self, folder: Path) -> None:
        """Write `attention.json` and `attention.png`."""
        folder.mkdir(parents=True, exist_ok=True)
        rows = [
            asdict(row)
            | {"name": str(row.shape)}
            | {f"{way}_tflops": row.speed(way == "backward") for way in ("forward", "backward")}
            | {
                f"{way}_ratio": self.ratio(row, way == "backward")
                for way in ("forward", "backward")
            }
            for row in self.rows
        ]
        whole = {name: value for name, value in vars(self).items() if name != "rows"}
        whole |= {"versions": versions(), "rows": rows}
        (folder / "attention.json").write_text(json.dumps(whole, indent=2, default=str) + "\n")
        if self.rows:
            _plot(self, folder / "attention.png")


def versions() -> dict[str, str]:
    """Those of Python and of the packages that matter."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


HEADER = (
    f"{'B×L×H×D':>22} {'rival':>24} {'forward ms':>11} {'TFLOP/s':>8} {'×cuDNN':>7} {'error':>8}"
    f" {'backward ms':>12} {'TFLOP/s':>8} {'×cuDNN':>7} {'error':>8}"
)


def line(report: Report, row: Row) -> str:
    """A row of the table."""

    def cells(seconds: float | None, backward: bool, error: float | None) -> str:
        if seconds is None:
            return " ".join("-".rjust(width) for width in (11 + backward, 8, 7, 8))
        ratio = report.ratio(row, backward)
        return (
            f"{1e3 * seconds:{11 + backward}.2f} {row.speed(backward):8.3f} "
            f"{'-' if ratio is None else f'{ratio:.2f}':>7} "
            f"{'-' if error is None else f'{error:.1e}':>8}"
        )

    forward = cells(row.forward, False, row.error)
    return f"{row.shape!s:>22} {row.rival:>24} {forward} " + cells(
        row.backward, True, row.gradient_error
    )


def device_name(devices: Sequence[jax.Device]) -> str:
    """What the first device calls itself."""
    return str(devices[0].device_kind)


def _plot(report: Report, path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, both = pyplot.subplots(1, 2, figsize=(12, 5), sharey=True)
    for axes, backward in zip(both, (False, True), strict=True):
        for rival in dict.fromkeys(row.rival for row in report.rows):
            points = sorted(
                (row.shape.q_length, speed)
                for row in report.rows
                if row.rival == rival and row.shape.q_length == row.shape.kv_length
                for speed in [row.speed(backward)]
                if speed is not None
            )
            if points:
                axes.plot(*zip(*points, strict=True), marker="o", label=rival)
        if report.ceiling:
            axes.axhline(report.ceiling, color="grey", linestyle=":", label="matrix product")
        axes.set(xscale="log", xlabel="length", title="backward" if backward else "forward")
    both[0].set_ylabel("TFLOP/s")
    both[0].legend(fontsize="small")
    figure.suptitle(f"{report.device}, {report.dtype}")
    figure.tight_layout()
    figure.savefig(path, dpi=120)
    pyplot.close(figure)
