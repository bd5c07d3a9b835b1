"""Training the VAE: a clip is learnt, and the latents' statistics are those of all clips."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from animatrix_jax.models.vae import VAE
from animatrix_jax.objectives.reconstruction import Reconstruction
from animatrix_jax.training.optimizer import OptimizerSettings, make_optimizer
from animatrix_jax.training.state import TrainState, new_state
from animatrix_jax.training.vae import latent_statistics, measure_vae, to_unit, vae_step
from tests.tiny import EDGE, FRAMES, tiny_card

STEPS = 40


@pytest.fixture(scope="module")
def clips() -> np.ndarray:
    """Return two clips of a bright square on a dark ground, which moves."""
    frames = np.full((2, FRAMES, EDGE, EDGE, 3), 40, np.uint8)
    for t in range(FRAMES):
        frames[0, t, 4:10, t : t + 8] = (220, 60, 60)
        frames[1, t, t : t + 8, 2:12] = (60, 60, 220)
    return frames


@pytest.fixture(scope="module")
def vae() -> VAE:
    card = tiny_card()
    assert card.vae is not None
    return VAE(card.vae)


@pytest.fixture(scope="module")
def trained(vae: VAE, clips: np.ndarray) -> tuple[TrainState, list[float]]:
    """Return the state after some steps on the clips, and their PSNR before and after."""
    settings = OptimizerSettings(peak_lr=5e-3, warmup_steps=1, ema_decay=0.0)
    transform, _ = make_optimizer(settings, STEPS)
    latents = jnp.zeros((1, *vae.config.latent_shape(FRAMES, EDGE, EDGE)))
    init = jax.jit(lambda key: vae.init(key, to_unit(clips[:1]), latents, method="reconstruct"))
    params = init(jax.random.key(0))
    state, measure = new_state(params, transform.init(params)), measure_vae(vae)
    quality = [float(measure(state.average, clips).mean())]
    step = vae_step(vae, Reconstruction(), transform, settings.ema_decay, seed=0)
    numbers = np.array([[0, 0], [0, 1]], np.uint32)
    for _ in range(STEPS):
        state, _ = step(state, {"frames": clips, "sample_index": numbers})
    quality.append(float(measure(state.average, clips).mean()))
    return state, quality


def test_clips_are_learnt(trained: tuple[TrainState, list[float]]) -> None:
    state, (before, after) = trained
    assert int(state.step) == STEPS and after > before + 2.0


def test_statistics_are_those_of_all_latents(
    vae: VAE, trained: tuple[TrainState, list[float]], clips: np.ndarray
) -> None:
    params = trained[0].params
    mean, spread = latent_statistics(vae, params, [clips[:1], clips[1:]])
    latents, _ = vae.apply(params, to_unit(clips), method="encode_moments")
    flat = np.asarray(latents).reshape(-1, latents.shape[-1])
    np.testing.assert_allclose(mean, flat.mean(0), atol=1e-4)
    np.testing.assert_allclose(spread, flat.std(0), rtol=1e-3)
