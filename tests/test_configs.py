"""Every config is one experiment that its job would take."""

import importlib
import math
import re
from pathlib import Path
from typing import Any

import jax
import pytest
from jax.sharding import AbstractMesh

from animatrix_data.corpus.ingest import IngestSettings
from animatrix_data.settings import build
from animatrix_jax.flag_parsing import load_config
from animatrix_jax.jobs import train
from animatrix_jax.jobs.recipes import flow
from animatrix_jax.jobs.recipes.flow_card import microbatches, model_card
from animatrix_jax.jobs.train import RECIPES, Experiment
from animatrix_jax.parallel.mesh import AXES, choose_mesh
from animatrix_jax.parallel.partition import shardings

CONFIGS = sorted(Path(__file__).resolve().parent.parent.glob("configs/*/*.py"))


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_config_builds_the_settings_of_its_job(path: Path) -> None:
    config = load_config(str(path))
    if path.stem == "ingest":
        assert build(IngestSettings, config).frames
        return
    experiment = build(Experiment, config)
    recipe = importlib.import_module(f"animatrix_jax.jobs.recipes.{experiment.recipe}")
    settings = build(getattr(recipe, RECIPES[experiment.recipe]), experiment.settings)
    assert experiment.cadence.log_every > 0
    assert settings.__dataclass_params__.frozen


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_config_says_its_command_and_its_time(path: Path) -> None:
    text = path.read_text(encoding="utf-8").split('"""')[1]
    assert f"--config {path.parent.parent.name}/{path.parent.name}/{path.name}" in text
    assert "CPU cores" in text or "GPU" in text or "TPU" in text


STUDIO = Path(__file__).resolve().parent.parent / "configs" / "studio" / "sft.py"
EXPERIMENTS = [path for path in CONFIGS if path.stem != "ingest"]
GOING_ON = {"pocket/vae.py": ":scenes", "desk/oracle.py": ":judging"}
"""What a config goes on from another run by."""


@pytest.mark.parametrize("path", EXPERIMENTS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_config_is_traced_where_nothing_has_been_made_yet(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    config = load_config(f"{path}{GOING_ON.get(f'{path.parent.name}/{path.name}', '')}")
    monkeypatch.chdir(tmp_path)
    train.run(config, tmp_path / "run", dry_run=True)
    assert re.search(r"[\d,]{6,} parameters; nothing was trained", capsys.readouterr().out)
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("model", ["i2v_a14b-full", "ti2v_5b", "t2v_1_3b"])
def test_the_studio_meshes_divide_every_parameter_and_batch(model: str) -> None:
    experiment = build(Experiment, load_config(f"{STUDIO}:{model}"))
    settings = build(flow.FlowSettings, experiment.settings)
    state = jax.eval_shape(flow.core(settings, 0).init, jax.random.key(0))
    for chips, parts in ((64, 4), (256, 1)):
        chosen = choose_mesh(experiment.mesh, experiment.meshes, chips)
        assert chosen.size == chips
        mesh: Any = AbstractMesh(tuple(chosen.extents.values()), AXES)
        places = shardings(state, mesh)
        split = [place.shard_shape(leaf.shape) for leaf, place in zip(
            jax.tree.leaves(state), jax.tree.leaves(places), strict=True)]  # fmt: skip
        whole = sum(leaf.size for leaf in jax.tree.leaves(state))
        assert sum(map(math.prod, split)) < whole / chips + whole / 200
        assert microbatches(settings, model_card(settings), mesh) == parts
