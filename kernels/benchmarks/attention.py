"""Attention: ours beside cuDNN, tokamax and PyTorch, and the speed of a plain matrix product.

    make bench B=kernels/benchmarks/attention.py
    python kernels/benchmarks/attention.py --check --tune --out DIR

On a CPU it times the shapes of the pocket model, forward and backward, plain JAX beside `jax.nn`.
On an accelerator, those of Wan 2.2; rivals that are not installed are left out. The second command
is a whole session on a Hopper GPU within ten minutes: results against float32, sizes for the
tables (in the package, with a copy under DIR), times; JSON and a plot under DIR. It has not been
run on a GPU yet (`kernels/NOTES.md`).
"""

import argparse
import faulthandler
import functools
import os
import sys
from collections.abc import Callable
from pathlib import Path

# PyTorch wants a part of the memory too.
os.environ.setdefault("XLA_PYTHON_CLIENT_MEM_FRACTION", "0.6")

import jax
import jax.numpy as jnp
from side_by_side import checks, exactness, rivals, timing
from side_by_side.report import HEADER, Report, Row, device_name, line
from side_by_side.shapes import ACCELERATOR, CPU, Shape, draw
from side_by_side.torch_sdpa import torch_sdpa

CHECK, TUNE = 0.25, 0.45
"""Shares of what time is left: for the checks, then for the tuning; the rest is for the times."""


GRACE = 60
"""Seconds past the time that was given, after which the process ends itself."""


def main(arguments: list[str] | None = None) -> int:
    """Check, tune and time as asked; 1 if a check failed, 0 otherwise."""
    flags = _parser().parse_args(arguments)
    # A kernel that never ends must not take the machine with it.
    limit = 60 * flags.minutes + GRACE
    faulthandler.dump_traceback_later(limit, exit=True, file=2)
    try:
        return _session(flags)
    finally:
        faulthandler.cancel_dump_traceback_later()


def _session(flags: argparse.Namespace) -> int:
    clock = timing.Clock(flags.minutes)
    platform = jax.default_backend()
    dtype = jnp.dtype(jnp.float32 if platform == "cpu" else jnp.bfloat16)
    report = Report(dtype.name, device_name(jax.devices()))
    print(f"{report.device}, {dtype.name}; medians of {timing.REPEATS}, rivals in turn")
    save = functools.partial(report.write, flags.out) if flags.out else lambda: None
    if flags.check:
        _check(platform, clock.share(CHECK), report)
        save()
    if flags.tune:
        _tune(platform, clock.share(TUNE), report, flags.out, save)
    _time(platform, dtype, clock, report, save)
    return 0 if all(check["passed"] for check in report.checks) else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="results against float32, first")
    parser.add_argument("--tune", action="store_true", help="rewrite the tables of sizes (Hopper)")
    parser.add_argument(
        "--out", type=Path, help="a folder for attention.json, attention.png and, tuned, the tables"
    )
    parser.add_argument("--minutes", type=float, default=10.0, help="how long all may take")
    return parser


def _check(platform: str, clock: timing.Clock, report: Report) -> None:
    for outcome in checks.run(platform, clock, checks.SMALL, checks.LONG.get(platform)):
        report.checks.append(vars(outcome) | {"passed": outcome.passed})
        if not outcome.passed:
            print(f"FAILED {outcome.name}: {outcome.figure:.2e} > {outcome.limit:.2e}")
    failed = sum(not check["passed"] for check in report.checks)
    print(f"{len(report.checks)} checks, {failed} failed")


def _tune(
    platform: str,
    clock: timing.Clock,
    report: Report,
    folder: Path | None,
    save: Callable[[], None],
) -> None:
    if checks.to_check(platform) != ("hopper",):
        print("there is nothing to tune here: the tables of sizes are for Hopper GPUs")
        return
    from side_by_side import hopper_tasks

    for name, choice in hopper_tasks.tune(clock, folder):
        report.tuning[name] = vars(choice)
        print(f"{name}: {choice.best} of {len(choice.seconds)}, {len(choice.failed)} failed")
        save()


def _time(
    platform: str,
    dtype: jnp.dtype,
    clock: timing.Clock,
    report: Report,
    save: Callable[[], None],
) -> None:
    size = 1024 if platform == "cpu" else rivals.CEILING
    call, work = rivals.ceiling(dtype, size)
    report.ceiling = work / timing.medians({"": call}, clock)[""] / 1e12
    print(f"a matrix product of {size}: {report.ceiling:.3f} TFLOP/s")
    print(HEADER)
    competitors = [*rivals.ours(platform), *rivals.theirs(platform)]
    if platform == "gpu":
        competitors += torch_sdpa()
    for shape in CPU if platform == "cpu" else ACCELERATOR:
        if clock.left() == 0:
            print(f"{shape!s:>22} and all after it: no time left")
            break
        _time_shape(shape, dtype, competitors, clock, report)
        save()


def _time_shape(
    shape: Shape,
    dtype: jnp.dtype,
    competitors: list[rivals.Rival],
    clock: timing.Clock,
    report: Report,
) -> None:
    """Time all rivals on a shape and print their rows; one that refuses it is named in JSON."""
    arrays = draw(shape, dtype)
    rows = exactness.sampled_rows(shape.q_length)
    out, d_q = exactness.exact_rows(arrays, rows)
    ready: dict[str, rivals.Ready] = {}
    errors: dict[str, tuple[float, float | None]] = {}
    for rival in competitors:
        if not rival.fits(shape) or (ready and clock.left() == 0):
            continue
        try:
            made = rival.prepare(arrays)
            mine = made.out()[:, rows][:, :, : exactness.HEADS]
            slope = None if made.d_q is None else made.d_q()[:, rows][:, :, : exactness.HEADS]
        except Exception as error:  # whatever a rival raises, the others are timed
            report.missing[f"{rival.name} on {shape}"] = f"{type(error).__name__}: {error}"[:500]
            continue
        ready[rival.name] = made
        gradient = None if slope is None else exactness.relative(slope, d_q)
        errors[rival.name] = (exactness.relative(mine, out), gradient)
    forward = timing.medians({name: made.forward for name, made in ready.items()}, clock)
    backward = timing.medians(
        {name: made.backward for name, made in ready.items() if made.backward is not None}, clock
    )
    found = [Row(shape, name, forward[name], backward.get(name), *errors[name]) for name in ready]
    report.rows.extend(found)
    for row in found:
        print(line(report, row), flush=True)


if __name__ == "__main__":
    sys.exit(main())
