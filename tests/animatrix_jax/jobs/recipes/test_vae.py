"""The VAE recipe: going on from a model, and what it refuses."""

from dataclasses import replace
from pathlib import Path

import jax
import numpy as np
import pytest

from animatrix_data.pipeline.crops import CropStage
from animatrix_jax.jobs import draw
from animatrix_jax.jobs.recipes.vae import VAESettings, prepare
from animatrix_jax.runtime.model import load_model


@pytest.fixture(scope="module")
def settings(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> VAESettings:
    """Return a run on a small corpus that starts from the tiny model."""
    corpus = tmp_path_factory.mktemp("vae") / "corpus"
    draw.run(corpus, clips=3, size="32x32x5@8", processes=1)
    stages = (CropStage(steps=1, batch=1, shape=(5, 16, 16)),)
    return VAESettings(corpus, stages, initial=tiny_model, held_out=1)


def test_a_run_starts_from_the_initial_models_weights(
    settings: VAESettings, tiny_model: Path, tmp_path: Path
) -> None:
    recipe, before = prepare(settings, seed=0), load_model(tiny_model)
    jax.tree.map(np.testing.assert_array_equal, recipe.state.params, before.vae_params)
    recipe.export(recipe.state, tmp_path)
    after = load_model(tmp_path)
    jax.tree.map(np.testing.assert_array_equal, after.vae_params, before.vae_params)
    assert np.isfinite(after.vae_config.latents_mean).all()


def test_sizes_or_a_model_to_go_on_from_are_needed(settings: VAESettings) -> None:
    with pytest.raises(ValueError, match="without an initial one"):
        prepare(replace(settings, initial=None), seed=0)
