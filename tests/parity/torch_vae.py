"""What diffusers' AutoencoderKLWan gives, by its causal feature cache: writes references/vae.npz.

    python -m tests.parity.torch_vae

A case's outputs are the encoder's moments and the decoder's frames before the clamp, a fixed
choice of their elements where there are many.
"""

from typing import Any
from unittest import mock

import numpy as np
import torch
from diffusers import AutoencoderKLWan

from tests.parity.case import write_references
from tests.parity.torch_modules import fill, shapes_of, with_own_error
from tests.parity.vae_cases import CASES, KINDS, Sample, chosen, clip_of, latents_of

FULL_SIZE: dict[str, dict[str, Any]] = {
    "wan21": {},
    "wan22": {
        "base_dim": 160,
        "decoder_base_dim": 256,
        "z_dim": 48,
        "is_residual": True,
        "in_channels": 12,
        "out_channels": 12,
        "patch_size": 2,
        "scale_factor_spatial": 16,
    },
}
"""What AutoencoderKLWan is given for the public checkpoints; its defaults are Wan 2.1's."""


def references() -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Return every case's outputs, and torch's own errors and the small modules' shapes."""
    arrays: dict[str, np.ndarray] = {}
    own: dict[str, float] = {}
    for case in CASES:
        vae = fill(small(case), case.seed)
        for name, run in (("moments", moments), ("frames", frames)):
            output, error = with_own_error(vae, lambda v, d, c=case, r=run: r(v, d, c))
            arrays[f"{case.name} {name}"] = chosen(output)
            own[f"{case.name} {name}"] = error
    shapes = {case.kind: shapes_of(small(case)) for case in CASES}
    return arrays, {"own_error": own, "shapes": shapes}


def small(case: Sample) -> AutoencoderKLWan:
    """Return a small VAE of a case's kind, statistics left aside."""
    sizes = KINDS[case.kind]
    scale = {"scale_factor_spatial": 16} if case.kind == "wan22" else {}
    z_dim = sizes["z_dim"]
    return AutoencoderKLWan(**sizes, **scale, latents_mean=[0.0] * z_dim, latents_std=[1.0] * z_dim)


def moments(vae: AutoencoderKLWan, dtype: torch.dtype, case: Sample) -> torch.Tensor:
    """Return the encoder's mean and clamped log-variance, channels last."""
    clip = torch.from_numpy(clip_of(case)).to(dtype).movedim(-1, 1)
    posterior = vae.encode(clip).latent_dist
    return torch.cat([posterior.mean, posterior.logvar], dim=1).movedim(1, -1)


def frames(vae: AutoencoderKLWan, dtype: torch.dtype, case: Sample) -> torch.Tensor:
    """Return the decoder's frames, channels last."""
    latents = torch.from_numpy(latents_of(case)).to(dtype).movedim(-1, 1)
    with mock.patch("torch.clamp", lambda values, min, max: values):
        return vae.decode(latents).sample.movedim(1, -1)


if __name__ == "__main__":
    write_references("vae", *references())
