"""Our VAEs against diffusers' AutoencoderKLWan: chunk by chunk, whole, and in bfloat16."""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from animatrix_jax.convert.vae import rules
from animatrix_jax.models.conv import MEMORY
from animatrix_jax.models.vae import VAE, VAEConfig
from animatrix_jax.models.vae_presets import WAN_21, WAN_22
from tests.parity.case import BFLOAT16_BOUND, Case, float32_bound, read_references, relative_l2
from tests.parity.ours import random_parameters
from tests.parity.vae_cases import CASES, KINDS, Sample, chosen, clip_of, latents_of

PRESETS = {"wan21": WAN_21, "wan22": WAN_22}
WHOLE = 9
"""The clips of this length are also compared as a whole."""


def cases() -> list[Case]:
    """Return the errors of moments and frames in every case."""
    stored, meta = read_references("vae")
    with jax.default_matmul_precision("highest"):
        return [
            Case("vae", f"{case.name} {name}{how}", relative_l2(chosen(found), stored[key]), bound)
            for case in CASES
            for name, how, found in outputs(case, meta["shapes"][case.kind])
            if (key := f"{case.name} {name}")
            if (bound := BFLOAT16_BOUND if "bf16" in how else float32_bound(meta["own_error"][key]))
        ]


def outputs(case: Sample, shapes: dict[str, list[int]]) -> Iterator[tuple[str, str, np.ndarray]]:
    """Yield our moments and frames of a case, with how they were made."""
    vae = VAE(config_of_kind(case.kind))
    params = {"params": random_parameters(rules(vae.config), shapes, case.seed)}
    for name, inputs, later in (("moments", clip_of(case), 4), ("frames", latents_of(case), 1)):
        yield name, "", in_chunks(vae, params, name, inputs, later)
        if case.frames == WHOLE:
            whole, _ = _apply(vae, name, True, False, params, {}, inputs)
            yield name, ", whole", whole
        if case.frames == WHOLE and case.kind == "wan21":
            narrow = VAE(replace(vae.config, dtype="bfloat16"))
            whole, _ = _apply(narrow, name, True, False, params, {}, inputs)
            yield name, ", whole, bf16", whole


def config_of_kind(kind: str) -> VAEConfig:
    """Return the small VAE's sizes, in our terms."""
    sizes = KINDS[kind]
    return replace(
        PRESETS[kind],
        base_dim=sizes["base_dim"],
        res_blocks=sizes["num_res_blocks"],
        decoder_dim=sizes.get("decoder_base_dim"),
        z_dim=sizes["z_dim"],
        latents_mean=(),
        latents_std=(),
    )


def in_chunks(vae: VAE, params: Any, name: str, inputs: np.ndarray, later: int) -> np.ndarray:
    """Return moments or frames made as a stream: of one frame, and then `later` at a time."""
    first, memory = _apply(vae, name, True, True, params, {}, inputs[:, :1])
    found = [first]
    for start in range(1, inputs.shape[1], later):
        chunk = inputs[:, start : start + later]
        out, memory = _apply(vae, name, False, True, params, memory, chunk)
        found.append(out)
    return np.concatenate(found, axis=1)


@partial(jax.jit, static_argnums=(0, 1, 2, 3))
def _apply(
    vae: VAE, name: str, first: bool, streams: bool, params: Any, memory: Any, inputs: jax.Array
) -> Any:
    method = {"moments": "encode_moments", "frames": "decode_raw"}[name]
    mutable = [MEMORY] if streams else []
    out: Any
    out, kept = vae.apply({**params, **memory}, inputs, first, method=method, mutable=mutable)
    return jnp.concatenate(out, axis=-1) if name == "moments" else out, kept
