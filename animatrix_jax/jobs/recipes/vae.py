"""Recipe `vae`: train the causal VAE on random crops of a corpus."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from animatrix_data.corpus.catalogue import read_catalogue
from animatrix_data.pipeline.crops import CropStage, crop_batches
from animatrix_data.pipeline.frames import read_frames
from animatrix_jax.checkpoint.folder import ModelCard, save_part, write_card
from animatrix_jax.jobs.recipes.parents import is_there
from animatrix_jax.jobs.recipes.recipe import Core, Recipe
from animatrix_jax.models.linear_path import principal_maps
from animatrix_jax.models.vae import VAE, VAEConfig
from animatrix_jax.objectives.reconstruction import Reconstruction
from animatrix_jax.runtime.model import load_model
from animatrix_jax.training.optimizer import OptimizerSettings, make_optimizer
from animatrix_jax.training.state import TrainState, new_state
from animatrix_jax.training.vae import latent_statistics, measure_vae, vae_step


@dataclass(frozen=True)
class VAESettings:
    """What a VAE experiment fixes; `held_out` clips at the corpus' end are only measured on.

    `initial` is a model folder (or run) to go on from, whose sizes then hold; without it `model`
    is needed and the start is random. Beside one still to be made `model` gives `--dry_run` sizes.
    """

    corpus: Path
    stages: tuple[CropStage, ...]
    model: VAEConfig | None = None
    initial: Path | None = None
    optimizer: OptimizerSettings = OptimizerSettings()
    loss: Reconstruction = Reconstruction()
    held_out: int = 64
    export_dtype: str = "float32"


def core(settings: VAESettings, seed: int) -> Core:
    """Return what the run compiles; no corpus is needed."""
    config = _config(settings)
    vae = VAE(config)
    transform, _ = make_optimizer(settings.optimizer, _total(settings))

    def init(key: jax.Array) -> TrainState:
        shape = settings.stages[-1].shape
        latents = jnp.zeros((1, *config.latent_shape(*shape)))
        params = vae.init(key, jnp.zeros((1, *shape, 3)), latents, method="reconstruct")
        return new_state(params, transform.init(params))

    return Core(
        init,
        vae_step(vae, settings.loss, transform, settings.optimizer.ema_decay, seed),
        tuple(
            {
                "frames": jax.ShapeDtypeStruct((stage.batch, *stage.shape, 3), jnp.uint8),
                "sample_index": jax.ShapeDtypeStruct((stage.batch, 2), jnp.uint32),
            }
            for stage in settings.stages
        ),
    )


def prepare(settings: VAESettings, seed: int) -> Recipe:
    """Build the run; the whole corpus is decoded into memory."""
    catalogue = read_catalogue(settings.corpus)
    frames = read_frames(catalogue)
    if not 0 < settings.held_out < len(frames):
        raise ValueError(
            f"held_out {settings.held_out} leaves nothing of the {len(frames)} clips of "
            f"{settings.corpus} to train on"
        )
    train, held_out = frames[: -settings.held_out], frames[-settings.held_out :]
    config, parts = _config(settings), core(settings, seed)
    vae = VAE(config)
    state = jax.jit(parts.init)(jax.random.key(seed))
    params = state.params
    if settings.initial is not None:
        params = load_model(settings.initial).vae_params
    elif config.linear_path:
        params = {"params": {**params["params"], "linear": _maps(config, train, seed)}}
    state = replace(state, params=params, average=jax.tree.map(jnp.copy, params))
    measure = measure_vae(vae)

    def evaluate(state: TrainState) -> dict[str, float]:
        values = [measure(state.average, jnp.asarray(chunk)) for chunk in _chunks(held_out, 8)]
        return {"held_out_psnr": float(np.mean(np.concatenate(values)))}

    def export(state: TrainState, folder: Path) -> None:
        some = train[:: max(1, len(train) // 256)][:256]
        mean, std = latent_statistics(vae, state.average, _chunks(some, 8))
        card = ModelCard(vae=replace(config, latents_mean=mean, latents_std=std))
        save_part(folder, "vae", state.average["params"], jnp.dtype(settings.export_dtype))
        write_card(folder, card)

    return Recipe(
        state=state,
        step=parts.step,
        batches=lambda start: crop_batches(train, settings.stages, seed, start),
        evaluate=evaluate,
        export=export,
        total_steps=_total(settings),
        parents={"corpus": catalogue.digest},
    )


def _total(settings: VAESettings) -> int:
    return sum(stage.steps for stage in settings.stages)


def _config(settings: VAESettings) -> VAEConfig:
    if settings.initial is not None and (settings.model is None or is_there(settings.initial)):
        return load_model(settings.initial).vae_config
    if settings.model is None:
        raise ValueError("settings.model gives the sizes of a VAE without an initial one")
    return settings.model


def _maps(c: VAEConfig, frames: np.ndarray, seed: int) -> dict[str, jax.Array]:
    some = frames[:: max(1, len(frames) // 256)][:256].astype(np.float32) / 127.5 - 1.0
    maps = principal_maps(some, c.time_stride, c.space_stride, c.z_dim, seed)
    return {name: jnp.asarray(leaf, jnp.float32) for name, leaf in maps.items()}


def _chunks(frames: np.ndarray, size: int) -> Iterator[np.ndarray]:
    for start in range(0, len(frames), size):
        yield frames[start : start + size]
