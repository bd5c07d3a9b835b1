"""`animatrix verify`: whether checkpoints are still the bytes that were saved."""

from pathlib import Path

from rich.console import Console

from animatrix_jax.checkpoint.folder import CARD
from animatrix_jax.checkpoint.manifest import (
    MANIFEST,
    find_damage,
    read_manifest,
    step_folders,
    sum_up,
)


def run(folder: str | Path) -> list[int]:
    """Check every file of a run's checkpoints against its manifest; return the good steps.

    `folder` is a run's workdir, its folder of checkpoints, or one step's folder. Prints a line a
    step: good, with size and digest, or what is wrong. Raises ValueError where a checkpoint is
    damaged, or there is none to check.
    """
    steps = _find_steps(Path(folder))
    console = Console(highlight=False, soft_wrap=True, markup=False)
    good = []
    for step, path in steps.items():
        problems = find_damage(path, step)
        if problems:
            console.print(f"step {step}: damaged: {sum_up(problems)}")
            continue
        manifest = read_manifest(path)
        size = f"{len(manifest.files)} files, {manifest.bytes / 1e6:.1f} MB"
        console.print(f"step {step}: good: {size}, digest {manifest.digest}")
        good.append(step)
    if len(good) < len(steps):
        bad = len(steps) - len(good)
        verb = "is" if bad == 1 else "are"
        raise ValueError(f"{bad} of {len(steps)} checkpoints in {folder} {verb} damaged")
    return good


def _find_steps(folder: Path) -> dict[int, Path]:
    """Return the folders of steps that a folder stands for."""
    if not folder.is_dir():
        raise ValueError(f"there is no folder {folder}")
    steps = step_folders(folder / "checkpoints") or step_folders(folder)
    if steps:
        return steps
    name = folder.absolute().name
    if name.isdecimal() and ((folder / MANIFEST).exists() or (folder / "_METADATA").exists()):
        return {int(name): folder}
    if (folder / CARD).exists():
        raise ValueError(
            f"{folder} is a model folder, which keeps no digests: what can be verified is a run's "
            "workdir, its checkpoints, or one of them"
        )
    raise ValueError(f"there is no checkpoint in {folder}")
