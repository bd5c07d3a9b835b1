"""Masked denoising: what is hidden depends on the sample, and what is named is what was hidden."""

import jax
import jax.numpy as jnp
import numpy as np

from animatrix_jax.models.umt5 import ByteDenoiser, UMT5Config
from animatrix_jax.training.optimizer import OptimizerSettings, make_optimizer
from animatrix_jax.training.state import new_state
from animatrix_jax.training.text_encoder import denoising_step


def test_a_repeated_text_is_learnt() -> None:
    model = ByteDenoiser(UMT5Config(vocab=20, dim=16, ffn_dim=16, heads=2, head_dim=8, layers=1))
    transform, _ = make_optimizer(OptimizerSettings(peak_lr=1e-2, warmup_steps=1), 80)
    step = denoising_step(model, transform, 0.9, 0, rate=0.3, span=2, mask_id=19)
    ids = np.tile(np.array([3, 4, 5, 6, 7, 8, 9, 1, 0, 0], np.int32), (8, 1))
    init = jax.jit(model.init)
    params = init(jax.random.key(0, impl="rbg"), jnp.asarray(ids))
    state = new_state(params, transform.init(params))
    losses = []
    for index in range(80):
        numbers = np.array([[0, 8 * index + i] for i in range(8)], np.uint32)
        state, metrics = step(state, {"text_ids": ids, "sample_index": numbers})
        losses.append(float(metrics["loss"]))
    assert np.mean(losses[:3]) > 1.5 and np.mean(losses[-10:]) < 0.5 * np.mean(losses[:3])
