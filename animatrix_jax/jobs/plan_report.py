"""The table that `plan` prints, its numbers as JSON, and what to change where it does not fit."""

import math
from dataclasses import asdict, dataclass
from typing import Any

from animatrix_jax.jobs.plan_estimate import ATTENTION_EFFICIENCY, LINEAR_EFFICIENCY, Estimate
from animatrix_jax.jobs.plan_machines import GIB, Target
from animatrix_jax.models.animatrix import AniMatrixConfig
from animatrix_jax.models.work import Work
from animatrix_jax.parallel.mesh import MeshSettings


@dataclass(frozen=True)
class Planned:
    """What was compiled, and what came of it.

    `work` and `hardware` are the operations of one step on all devices, `found` what the program
    takes, or the bytes that it needs and has where it does not fit. `host` are the bytes of the
    optimiser that wait in the host's memory for each device, `idle` those that the expert who waits
    would take on a device; `steps` and `branches` are the sampler's.
    """

    purpose: str
    target: Target
    mesh: MeshSettings
    latents: tuple[int, int, int]
    tokens: int
    samples: int
    microbatches: int
    config: AniMatrixConfig
    work: Work
    hardware: Work
    found: Estimate | tuple[float, float]
    host: float = 0.0
    idle: float = 0.0
    steps: int = 1
    branches: int = 1

    @property
    def needed(self) -> float:
        """Bytes that a device needs."""
        return self.found.memory.total if isinstance(self.found, Estimate) else self.found[0]

    @property
    def has(self) -> float:
        """Bytes that a device has: what its compiler says, else what it is sold with."""
        return self.target.chip.memory if isinstance(self.found, Estimate) else self.found[1]

    @property
    def fits(self) -> bool:
        """Whether one program and its arguments fit."""
        return self.needed <= self.has

    @property
    def offloads(self) -> bool:
        """Whether the expert that waits must be in the host's memory."""
        return bool(self.idle) and self.fits and self.needed + self.idle > self.has

    @property
    def mfu(self) -> float | None:
        """Model operations over what all chips could do in the predicted seconds."""
        if not isinstance(self.found, Estimate) or self.found.seconds is None:
            return None
        able = self.mesh.size * self.target.chip.peak * self.found.seconds.total
        return self.work.total / able

    def as_json(self) -> dict[str, Any]:
        """Return the report."""
        report: dict[str, Any] = {
            "purpose": self.purpose,
            "topology": self.target.name,
            "chip": asdict(self.target.chip),
            "stand_in": self.target.stand_in,
            "mesh": self.mesh.extents,
            "latents": self.latents,
            "tokens": self.tokens,
            "samples": self.samples,
            "microbatches": self.microbatches,
            "model_flops": self.work.total,
            "hardware_flops": self.hardware.total,
            "host_bytes": self.host,
            "needed_bytes": self.needed,
            "device_bytes": self.has,
            "fits": self.fits,
            "mfu": self.mfu,
        }
        if isinstance(self.found, Estimate):
            report |= self.found.as_json()
        if self.purpose == "sampling":
            report |= {"idle_bytes": self.idle, "offloads": self.offloads, "steps": self.steps}
        if not self.fits:
            report["advice"] = advice(self)
        return report


def table(planned: Planned) -> str:
    """Return the table as text."""
    p, chip = planned, planned.target.chip
    height, width = p.latents[1:]
    rows = [
        ("machine", f"{p.target.name}: {p.target.count} × {chip.name}, mesh {p.mesh}"),
        ("clip", f"latents {p.latents[0]} × {height} × {width}, {p.tokens:,} tokens"),
    ]
    if p.purpose == "training":
        rows.append(("batch", f"{p.samples} samples in {p.microbatches} microbatches"))
    else:
        rows.append(("batch", f"1 clip, {p.branches} branches of guidance, {p.steps} steps"))
    if p.target.stand_in:
        rows.append(("stand-in", p.target.stand_in))
    rows += _memory_rows(p)
    rows.append(("operations a step", _operations(p)))
    if isinstance(p.found, Estimate):
        rows += _time_rows(p, p.found)
    wide = max(len(name) for name, _ in rows)
    lines = [f"{name:{wide}}  {value}" for name, value in rows]
    return "\n".join([*lines, *([] if p.fits else advice(p))])


def _memory_rows(p: Planned) -> list[tuple[str, str]]:
    def bytes_of(value: float) -> str:
        return f"{value / GIB:8.2f} GiB a device"

    rows = []
    if isinstance(p.found, Estimate):
        memory = p.found.memory
        names = {**memory.kinds, "padding": memory.padding, "program": memory.program}
        what = "activations" if p.purpose == "sampling" else "gradients, activations"
        names[what] = memory.temporaries
        rows += [(name, bytes_of(value)) for name, value in names.items() if value >= 0.005 * GIB]
    verdict = "fits" if p.fits else f"too much by {(p.needed - p.has) / GIB:.2f} GiB"
    rows.append(("all", f"{bytes_of(p.needed)} of {p.has / GIB:.2f}: {verdict}"))
    if p.host:
        rows.append(("optimizer", f"{bytes_of(p.host)} in the host's memory"))
    if p.idle:
        where = "in the host's memory" if p.offloads or not p.fits else "fits beside it"
        rows.append(("the idle expert", f"{bytes_of(p.idle)}: {where}"))
    return rows


def _operations(p: Planned) -> str:
    share = p.work.attention / p.work.total
    text = f"{p.work.total:.3e} of the model ({share:.0%} attention)"
    if p.hardware.total > p.work.total:
        text += f", {p.hardware.total:.3e} computed (remat {p.config.dit.remat})"
    return text


def _time_rows(p: Planned, found: Estimate) -> list[tuple[str, str]]:
    rows = [
        (f"{kind} a step", f"{moved / 1e9:8.2f} GB a device") for kind, moved in found.moved.items()
    ]
    seconds = found.seconds
    if seconds is not None:
        source = "the compiler's cycles" if seconds.compiler else f"{LINEAR_EFFICIENCY:.0%} of peak"
        rows += [
            ("linear layers, norms", f"{seconds.linear:8.2f} s ({source})"),
            ("attention", f"{seconds.attention:8.2f} s ({ATTENTION_EFFICIENCY:.0%} of peak)"),
            ("links", f"{seconds.links:8.2f} s (bytes over bandwidth, none hidden)"),
            ("predicted step", f"{seconds.total:8.2f} s, MFU {p.mfu:.1%}"),
        ]
        if p.purpose == "sampling":
            rows.append(("predicted clip", f"{seconds.total * p.steps:8.1f} s of sampling"))
    if found.compiler_flops:
        rows.append(("compiler's count", f"{found.compiler_flops:.3e} a device, loops once"))
    if found.compiler_optimal_seconds and found.compiler_optimal_seconds > 0:
        optimal = f"{found.compiler_optimal_seconds:8.2f} s, loops once"
        rows.append(("compiler's optimum", optimal))
    return rows


def advice(p: Planned) -> list[str]:
    """Return what to change so that it fits, the cheapest first."""
    found = [f"It does not fit, by {(p.needed - p.has) / GIB:.2f} GiB a device. Change:"]
    dit, mesh = p.config.dit, p.mesh
    if p.purpose == "training":
        own = p.samples // (mesh.expert * mesh.data * mesh.fsdp)
        if dit.remat not in (True, "full"):
            found.append("- settings.remat = 'full': keep the residual stream alone of a block")
        if p.microbatches < own or own % p.microbatches:
            found.append("- settings.microbatches = None: one sample an expert at a time")
        if dit.residual_dtype == "float32":
            found.append("- settings.residual_dtype = 'bfloat16': half of what is kept of a block")
        if dit.remat in (True, "full"):
            found.append("- settings.remat = 'offload': the residual stream in the host's memory")
        if not p.host:
            found.append("- settings.offload_optimizer = True: its statistics in the host's memory")
        if mesh.data > 1:
            found.append(f"- mesh fsdp {mesh.data * mesh.fsdp} for data: state in more parts")
    found.append(_more_devices(p))
    return found


def _more_devices(p: Planned) -> str:
    times = 2 ** max(1, math.ceil(math.log2(p.needed / p.has)))
    context = p.mesh.context * times
    how = "each holds fewer tokens and a smaller part of the weights"
    return f"- mesh context {context} for {p.mesh.context}, on more devices or less fsdp: {how}"
