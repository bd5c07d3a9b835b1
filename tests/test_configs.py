"""Every config is one experiment that its job would take."""

import importlib
from pathlib import Path

import pytest

from animatrix_data.corpus.ingest import IngestSettings
from animatrix_data.settings import build
from animatrix_jax.flag_parsing import load_config
from animatrix_jax.jobs.train import RECIPES, Experiment

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
