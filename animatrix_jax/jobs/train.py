"""`animatrix train`: run one experiment from its config, resuming where its folder stands."""

import dataclasses
import importlib
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jax

from animatrix_data.settings import build, near
from animatrix_jax.checkpoint.training import BestBy, Checkpoints
from animatrix_jax.jobs.recipes.recipe import Recipe
from animatrix_jax.jobs.run_record import check_batch, check_teacher, parameter_count, write_run
from animatrix_jax.jobs.saves import Saves
from animatrix_jax.parallel.mesh import (
    MeshSettings,
    abstract_mesh,
    choose_mesh,
    make_mesh,
    parse_mesh,
)
from animatrix_jax.parallel.processes import gathered, start_processes, together
from animatrix_jax.runtime.programs import keep_programs
from animatrix_jax.training.guards import Guards
from animatrix_jax.training.ledger import Ledger
from animatrix_jax.training.loop import Hooks, LoopSettings, run_loop
from animatrix_jax.training.profiling import Profile
from animatrix_jax.training.state import TrainState
from animatrix_jax.training.stopping import Stopping
from animatrix_jax.training.telemetry import Telemetry, read_metrics

MESHED = ("flow", "dpo", "dmd")
"""The recipes that train on a mesh of several devices, and with guards."""
RECIPES = {
    "vae": "VAESettings",
    "text": "TextSettings",
    "flow": "FlowSettings",
    "dpo": "DPOSettings",
    "dmd": "DMDSettings",
    "oracle": "OracleSettings",
    "oracle_closer": "CloserSettings",
    "camera": "CameraSettings",
    "faults": "FaultSettings",
}


@dataclasses.dataclass(frozen=True)
class Cadence:
    """How often a run measures, saves and logs, in steps.

    The model folder is written at the end and at a stop, and every `export_every` steps but for 0.
    """

    log_every: int = 20
    evaluate_every: int = 500
    save_every: int = 500
    export_every: int = 0


@dataclasses.dataclass(frozen=True)
class Experiment:
    """A config's top level: which recipe, its settings, the seed, the cadence, the guards.

    `mesh` is how devices are laid out; without it `meshes` holds one for some numbers of devices.
    `best` names the held-out number by which the best checkpoint stays beside the newest: of those
    whose own state was evaluated.
    """

    recipe: str
    settings: Any
    seed: int = 0
    cadence: Cadence = Cadence()
    guards: Guards = Guards()
    best: BestBy | None = None
    mesh: MeshSettings | None = None
    meshes: Mapping[str, MeshSettings] = dataclasses.field(default_factory=dict)


def run(
    config: Any,
    workdir: str | Path,
    *,
    dry_run: bool = False,
    profile_steps: tuple[int, ...] | None = None,
    mesh: str | None = None,
    on_eval: Callable[[TrainState], dict[str, float]] | None = None,
) -> dict[str, float]:
    """Train until the config's last step; a stopped run goes on from its newest checkpoint.

    `config` is a ConfigDict (or mapping) with `recipe`, `settings`, `seed`, `cadence` and
    `guards`. The workdir gets run.json, metrics.jsonl, TensorBoard files, checkpoints and, at the
    end, `model/`, the model folder of the averaged parameters. `dry_run` builds everything
    abstractly and stops. `profile_steps` are the first and the last step of a trace in `profile/`,
    `mesh` is how devices are laid out (`context=4,tensor=2`), in place of what the config says.
    Returns the last held-out numbers.

    SIGTERM or SIGINT stop after the step in progress, with a checkpoint and `model/`: then
    SystemExit of 143 or KeyboardInterrupt is raised. Raises ValueError for a config that cannot be
    run and for a run that skipped steps give up, OSError where the last checkpoint is not written.
    """
    ledger, experiment = Ledger(), build(Experiment, config)
    recipe_module, settings = find_recipe(experiment)
    workdir = Path(workdir)
    profile = _profile(workdir, profile_steps)
    keep_programs()
    start_processes(experiment.guards.heartbeat_seconds)
    placed = _placed(experiment, mesh)
    if dry_run:
        _dry_run(experiment, recipe_module, settings, placed)
        return {}
    checkpoints = _checkpoints(workdir, experiment)
    if checkpoints.newest is not None:
        check_batch(workdir, settings)
    recipe: Recipe = recipe_module.prepare(settings, experiment.seed, **placed)
    first = jax.process_index() == 0
    if first and checkpoints.newest is not None:
        check_teacher(workdir, recipe)
    if first:
        write_run(workdir, config, recipe)
    telemetry = Telemetry(workdir, silent=not first)
    saves = Saves(checkpoints, telemetry)
    state = saves.resume(recipe.state)
    # What a run begins with has no place beside what it goes on with.
    recipe = dataclasses.replace(recipe, state=state)
    if first:
        ledger.go_on(read_metrics(workdir), int(state.step))
    beside = _Beside(recipe, workdir, saves, telemetry, ledger, on_eval)
    with saves, Stopping() as stopping:
        state = run_loop(
            state,
            recipe.step,
            recipe.batches,
            LoopSettings(recipe.total_steps, **dataclasses.asdict(experiment.cadence)),
            telemetry,
            beside.hooks(stopping),
            label=f"Training {experiment.recipe}",
            guards=experiment.guards,
            ledger=ledger,
            profile=profile,
        )
        beside.end(state, stopping)
    return beside.numbers


@dataclasses.dataclass
class _Beside:
    """What a run does beside its steps: measure, save, write its model, tell how it ended."""

    recipe: Recipe
    workdir: Path
    saves: Saves
    telemetry: Telemetry
    ledger: Ledger
    on_eval: Callable[[TrainState], dict[str, float]] | None
    numbers: dict[str, float] = dataclasses.field(default_factory=dict)
    measured: int | None = None

    def hooks(self, stopping: Stopping) -> Hooks:
        return Hooks(
            evaluate=self.evaluate,
            save=self.save,
            export=self.export,
            restore=self.saves.restore,
            stop=stopping.reached,
            evaluated=self.saves.evaluated,
        )

    def evaluate(self, state: TrainState) -> dict[str, float]:
        self.numbers.update(self.recipe.evaluate(state))
        self.numbers.update(self.on_eval(state) if self.on_eval else {})
        self.measured = int(state.step)
        return dict(self.numbers)

    def save(self, state: TrainState) -> None:
        # Another state's numbers say nothing of this one.
        self.saves.save(state, self.numbers if self.measured == int(state.step) else None)

    def export(self, state: TrainState) -> None:
        average = gathered(state.average)
        if jax.process_index() == 0:
            kept = dataclasses.replace(state, average=average)
            self.recipe.export(kept, self.workdir / "model")
        together("model written")

    def end(self, state: TrainState, stopping: Stopping) -> None:
        """Wait for the checkpoint, write the model, tell where the time went; raise at a stop."""
        step = int(state.step)
        with self.ledger.during("checkpoint"):
            seconds = self.saves.finish(step)
        self.export(state)
        record, line = self.ledger.fields(), self.ledger.line()
        if stopping.signal is not None:
            record["stop_commit_seconds"] = seconds
            line += (
                f"; stopped before step {step}, its checkpoint committed {seconds:.2f} s after the "
                "last step's end"
            )
        self.telemetry.write(step, record)
        self.telemetry.say(line)
        stopping.end()


def find_recipe(experiment: Experiment) -> tuple[Any, Any]:
    """Return the module of an experiment's recipe and its settings; ValueError for neither."""
    name = experiment.recipe
    if name not in RECIPES:
        raise ValueError(f"config.recipe cannot be {name!r}{near(name, RECIPES)}")
    module = importlib.import_module(f"animatrix_jax.jobs.recipes.{name}")
    return module, build(getattr(module, RECIPES[name]), experiment.settings, "config.settings")


def _checkpoints(workdir: Path, experiment: Experiment) -> Checkpoints:
    """Return the run's checkpoints: as many stay as a roll-back may go back to."""
    every = experiment.cadence.save_every
    keep = max(2, 1 + math.ceil(experiment.guards.roll_back_after / every))
    return Checkpoints(workdir / "checkpoints", keep, experiment.best, cadence=every)


def _dry_run(experiment: Experiment, recipe: Any, settings: Any, placed: dict[str, Any]) -> None:
    """Build everything abstractly, on the mesh that is there and on those that the config keeps."""
    state = recipe.core(settings, experiment.seed, **placed).check()
    for kept in experiment.meshes.values():
        recipe.check_mesh(settings, state, abstract_mesh(kept))
    count = parameter_count(state.params)
    print(f"{experiment.recipe}: {count:,} parameters; nothing was trained")


def _placed(experiment: Experiment, mesh: str | None) -> dict[str, Any]:
    """Return the mesh and the guards for a recipe that takes them.

    Raises ValueError where no mesh has as many devices as there are, or the recipe takes none.
    """
    said = parse_mesh(mesh) if mesh else experiment.mesh
    devices, processes = jax.device_count(), jax.process_count()
    chosen = choose_mesh(said, experiment.meshes, devices)
    if experiment.recipe in MESHED:
        if processes > 1 and chosen.size != devices:
            raise ValueError(
                f"{processes} processes have {devices} devices together, and the mesh ({chosen}) "
                f"takes {chosen.size}: say one of all of them, as in --mesh fsdp={devices}"
            )
        return {"mesh": make_mesh(chosen), "guards": experiment.guards}
    if experiment.guards.spike is not None:
        raise ValueError(f"the recipe {experiment.recipe} skips no steps: leave out guards.spike")
    if chosen.size > 1 or processes > 1:
        raise ValueError(
            f"the recipe {experiment.recipe} trains on one device in one process: "
            f"{', '.join(MESHED)} alone takes a mesh"
        )
    return {}


def _profile(workdir: Path, steps: tuple[int, ...] | None) -> Profile | None:
    if steps is None:
        return None
    if len(steps) != 2:
        raise ValueError(f"--profile_steps takes the first and the last step, not {steps}")
    return Profile(workdir / "profile", *steps)
