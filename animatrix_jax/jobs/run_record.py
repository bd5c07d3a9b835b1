"""run.json: what would have to be equal for another run to give the same numbers."""

import hashlib
import json
import platform
import subprocess
from pathlib import Path
from typing import Any

import jax

from animatrix_data.files import whole_file
from animatrix_jax.jobs.recipes.recipe import Recipe


def parameter_count(tree: Any) -> int:
    """Return how many numbers a tree of arrays or shapes holds."""
    return sum(leaf.size for leaf in jax.tree.leaves(tree))


def check_batch(workdir: Path, settings: Any) -> None:
    """Raise ValueError where a run goes on with batches or blocks of another size than it began.

    A step's samples are counted in batches: with another size some would be left out or come twice.
    """
    record = workdir / "run.json"
    if not record.exists():
        return
    try:
        before = json.loads(record.read_text())["config"]["settings"]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{record} cannot be read: how the run was begun is not known") from error
    for name, what in (("batch", "batches of {} samples"), ("block", "blocks of {} samples")):
        then, now = before.get(name), getattr(settings, name, None)
        if None not in (then, now) and then != now:
            raise ValueError(
                f"{workdir} was begun with {what.format(then)} and goes on with them alone, not "
                f"with {now}: start another workdir from its model"
            )


def check_teacher(workdir: Path, recipe: Recipe) -> None:
    """Raise ValueError where a run goes on from a teacher that is not the one it began with."""
    record, now = workdir / "run.json", recipe.parents.get("teacher")
    if now is None or not record.exists():
        return
    then = json.loads(record.read_text()).get("parents", {}).get("teacher", now)
    if then != now:
        raise ValueError(
            f"{workdir} was begun with another teacher than settings.initial is now: give it back, "
            "or start another workdir"
        )


def write_run(workdir: Path, config: Any, recipe: Recipe) -> None:
    """Write run.json: what would have to be equal for another run to give the same numbers."""
    resolved = config.to_json_best_effort() if hasattr(config, "to_json_best_effort") else config
    text = resolved if isinstance(resolved, str) else json.dumps(resolved, default=str)
    record = {
        "config": json.loads(text),
        "config_hash": hashlib.sha256(text.encode()).hexdigest(),
        **_revision(),
        "versions": {"python": platform.python_version(), "jax": jax.__version__},
        "devices": [str(device.device_kind) for device in jax.devices()],
        "total_steps": recipe.total_steps,
        "parameters": parameter_count(recipe.state.params),
        "parents": recipe.parents,
    }
    with whole_file(workdir / "run.json") as temporary:
        temporary.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


def _revision() -> dict[str, Any]:
    """Return the source revision and whether the tree differs from it; None outside a checkout."""

    def git(*words: str) -> str | None:
        here = Path(__file__).resolve().parent
        done = subprocess.run(["git", "-C", here, *words], capture_output=True, text=True)
        return done.stdout.strip() if done.returncode == 0 else None

    status = git("status", "--porcelain")
    return {"revision": git("rev-parse", "HEAD"), "dirty": None if status is None else bool(status)}
