"""How much noise a model removes: the error of its clean latents by sigma, told all and nothing.

    python benchmarks/denoising.py [MODEL]

On 128 held-out clips of the sampler `pocket` (MODEL: pocket), against the latents' own variance.
With tags and text the error at sigma 1 says how well they are rendered; "other frames" is the
error of latent frame 1 when frames 2 and later are another clip's, which only attention over time
can notice.
"""

import sys
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
from rich.console import Console
from rich.table import Table

from animatrix_data.procedural import Size
from animatrix_jax.diffusion.schedule import interpolate
from animatrix_jax.evaluation.sources import content_text, draw_held_out, held_out_seed
from animatrix_jax.inference.pipeline import batch_conditions, expert_of, plan_sampling
from animatrix_jax.inference.request import Request, SamplerSettings
from animatrix_jax.models.animatrix import Conditions
from animatrix_jax.runtime.model import load_model

CLIPS, SAMPLER = 128, "pocket"
SIGMAS = (0.99, 0.9, 0.8, 0.6, 0.4, 0.2)


def main() -> None:
    """Print the table."""
    model = load_model(sys.argv[1] if len(sys.argv) > 1 else "pocket")
    plan = plan_sampling(model, SamplerSettings())
    frames, height, width = plan.clip
    shown = draw_held_out(CLIPS, Size(height, width, frames, plan.fps), 0, SAMPLER)
    numbers = range(held_out_seed(0), held_out_seed(0) + CLIPS)
    latents = model.encode_video(jnp.asarray(np.stack([clip.frames for clip in shown])))
    requests = [
        Request(clip.spec, content_text(clip.spec, number, SAMPLER), number)
        for clip, number in zip(shown, numbers, strict=True)
    ]
    told = batch_conditions(model, requests, plan.clip)
    nothing = jnp.zeros(CLIPS, bool)
    untold = replace(told, text_given=nothing, tags_given=nothing)
    noise = jax.random.normal(jax.random.key(0), latents.shape)
    others = jnp.concatenate([latents[:, :2], jnp.roll(latents, 1, axis=0)[:, 2:]], axis=1)

    def clean(start: jax.Array, value: float, conditions: Conditions) -> jax.Array:
        sigma = jnp.full(CLIPS, value)
        noisy = interpolate(start, noise, sigma)
        expert = expert_of(value, plan.schedule.boundary)
        return noisy - value * model.velocity(expert, noisy, 1000 * sigma, conditions)

    def error(found: jax.Array, wanted: jax.Array) -> str:
        return f"{float(jnp.mean(jnp.square(found - wanted))):.3f}"

    table = Table("sigma", "told all", "told nothing", "frame 1", "frame 1, other frames")
    for sigma in SIGMAS:
        full, mixed = clean(latents, sigma, told), clean(others, sigma, told)
        table.add_row(
            f"{sigma:g}",
            error(full, latents),
            error(clean(latents, sigma, untold), latents),
            error(full[:, 1], latents[:, 1]),
            error(mixed[:, 1], latents[:, 1]),
        )
    Console().print(table)
    print(f"variance {float(jnp.var(latents)):.3f}, {CLIPS} clips, {model.folder.name}")


if __name__ == "__main__":
    main()
