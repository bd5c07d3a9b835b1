"""`animatrix train`: run one experiment from its config, resuming where its folder stands."""

import dataclasses
import hashlib
import importlib
import json
import platform
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jax

from animatrix_data.files import whole_file
from animatrix_data.settings import build, near
from animatrix_jax.checkpoint.training import Checkpoints
from animatrix_jax.jobs.recipes.recipe import Recipe
from animatrix_jax.parallel.mesh import MeshSettings
from animatrix_jax.training.loop import LoopSettings, run_loop
from animatrix_jax.training.state import TrainState
from animatrix_jax.training.telemetry import Telemetry

RECIPES = {
    "vae": "VAESettings",
    "text": "TextSettings",
    "flow": "FlowSettings",
    "oracle": "OracleSettings",
    "oracle_closer": "CloserSettings",
    "camera": "CameraSettings",
}


@dataclasses.dataclass(frozen=True)
class Cadence:
    """How often a run measures, saves and logs, in steps."""

    log_every: int = 20
    evaluate_every: int = 500
    save_every: int = 500


@dataclasses.dataclass(frozen=True)
class Experiment:
    """A config's top level: which recipe, its settings, the seed, the cadence, the mesh.

    `meshes` has a mesh by number of devices, `mesh` is the one whatever their number.
    """

    recipe: str
    settings: Any
    seed: int = 0
    cadence: Cadence = Cadence()
    mesh: MeshSettings | None = None
    meshes: Mapping[str, MeshSettings] = dataclasses.field(default_factory=dict)


def run(
    config: Any,
    workdir: str | Path,
    *,
    dry_run: bool = False,
    on_eval: Callable[[TrainState], dict[str, float]] | None = None,
) -> dict[str, float]:
    """Train until the config's last step; a stopped run goes on from its newest checkpoint.

    `config` is a ConfigDict (or mapping) with `recipe`, `settings`, `seed` and `cadence`. The
    workdir gets run.json, metrics.jsonl, TensorBoard files, checkpoints and `model/`, the model
    folder of the averaged parameters. `dry_run` builds everything abstractly and stops. Returns
    the last held-out numbers. Raises ValueError for a config that cannot be run.
    """
    experiment = build(Experiment, config)
    recipe_module = _recipe_module(experiment.recipe)
    settings = build(
        getattr(recipe_module, RECIPES[experiment.recipe]), experiment.settings, "config.settings"
    )
    workdir = Path(workdir)
    if dry_run:
        shapes = recipe_module.core(settings, experiment.seed).check()
        print(f"{experiment.recipe}: {_count(shapes.params):,} parameters; nothing was trained")
        return {}
    checkpoints = Checkpoints(workdir / "checkpoints")
    if checkpoints.newest is not None:
        _check_batch(workdir, settings)
    recipe: Recipe = recipe_module.prepare(settings, experiment.seed)
    _write_run(workdir, config, recipe)
    state = recipe.state
    if checkpoints.newest is not None:
        state = checkpoints.restore(state)
    numbers: dict[str, float] = {}

    def evaluate(current: TrainState) -> dict[str, float]:
        numbers.update(recipe.evaluate(current))
        numbers.update(on_eval(current) if on_eval else {})
        return dict(numbers)

    def save(current: TrainState) -> None:
        checkpoints.save(int(current.step), current)
        recipe.export(current, workdir / "model")

    run_loop(
        state,
        recipe.step,
        recipe.batches,
        LoopSettings(recipe.total_steps, **dataclasses.asdict(experiment.cadence)),
        Telemetry(workdir),
        on_eval=evaluate,
        on_save=save,
        label=f"Training {experiment.recipe}",
    )
    return numbers


def _recipe_module(name: str) -> Any:
    if name not in RECIPES:
        raise ValueError(f"config.recipe cannot be {name!r}{near(name, RECIPES)}")
    return importlib.import_module(f"animatrix_jax.jobs.recipes.{name}")


def _count(tree: Any) -> int:
    return sum(leaf.size for leaf in jax.tree.leaves(tree))


def _check_batch(workdir: Path, settings: Any) -> None:
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


def _write_run(workdir: Path, config: Any, recipe: Recipe) -> None:
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
        "parameters": _count(recipe.state.params),
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
