"""What diffusers' Wan pipelines give: `python -m tests.parity.torch_pipeline` stores it."""

from types import SimpleNamespace
from typing import Any
from unittest import mock

import numpy as np
import torch
from diffusers import (
    AutoencoderKLWan,
    UniPCMultistepScheduler,
    WanImageToVideoPipeline,
    WanPipeline,
    WanTransformer3DModel,
)
from diffusers.pipelines.wan import pipeline_wan, pipeline_wan_i2v
from transformers import ByT5Tokenizer, UMT5Config, UMT5EncoderModel

from tests.parity.case import write_references
from tests.parity.pipeline_cases import (
    CASES,
    DIT,
    GUIDANCE,
    HIGH,
    LOW,
    NEGATIVE,
    PROMPT,
    SHIFT,
    STEPS,
    TEXT,
    TEXT_DIM,
    TEXT_LENGTH,
    UMT5,
    VAE,
    VOCAB,
    Pipeline,
    part_tensors,
)
from tests.parity.torch_modules import shapes_of
from tests.parity.torch_umt5 import TIED
from tests.parity.vae_cases import KINDS, chosen

CLAMPED = 0.5
"""At most this part of the pixels may be at the ends of the range."""


def modules_of(case: Pipeline) -> dict[str, torch.nn.Module | None]:
    """Return the networks of a case with their random weights."""
    scale = {"scale_factor_spatial": 16} if case.kind == "wan22" else {}
    vae = AutoencoderKLWan(**KINDS[case.kind], **scale, **case.statistics)
    text = UMT5EncoderModel(UMT5Config(vocab_size=VOCAB, feed_forward_proj="gated-gelu", **UMT5))
    modules: dict[str, torch.nn.Module | None] = {VAE: vae, TEXT: text, HIGH: None, LOW: None}
    for part in (HIGH, LOW) if case.boundary else (HIGH,):
        modules[part] = WanTransformer3DModel(
            **DIT,
            in_channels=case.in_channels,
            out_channels=case.z_dim,
            text_dim=TEXT_DIM,
            rope_max_seq_len=16,
        )
    for part, module in modules.items():
        if module is not None:
            tensors = part_tensors(part, named_shapes(module))
            loaded = {name: torch.from_numpy(tensor) for name, tensor in tensors.items()}
            if part == TEXT:
                loaded[TIED] = loaded["shared.weight"]
            module.load_state_dict(loaded)
            module.eval()
    return modules


def named_shapes(module: torch.nn.Module) -> dict[str, list[int]]:
    """Return names and shapes as checkpoints have them: a tied tensor once."""
    return {name: shape for name, shape in shapes_of(module).items() if name != TIED}


def frames_of(case: Pipeline, modules: dict[str, torch.nn.Module | None]) -> np.ndarray:
    """Run the public pipeline; return its frames [T, H, W, 3] in [−1, 1]."""
    scheduler = UniPCMultistepScheduler(
        prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=SHIFT
    )
    make = WanImageToVideoPipeline if case.given else WanPipeline
    pipeline = make(
        tokenizer=ByT5Tokenizer(),
        scheduler=scheduler,
        boundary_ratio=case.boundary,
        expand_timesteps=case.boundary is None,
        **modules,
    )
    pipeline.set_progress_bar_config(disable=True)
    pictures = [
        torch.from_numpy(case.picture(frame)).movedim(-1, 0)[None] / 255 for frame in case.given
    ]
    found = pipeline(
        prompt=PROMPT,
        negative_prompt=NEGATIVE,
        height=case.size[0],
        width=case.size[1],
        num_frames=case.frames,
        num_inference_steps=STEPS,
        guidance_scale=GUIDANCE[0],
        guidance_scale_2=GUIDANCE[1] if case.boundary else None,
        latents=torch.from_numpy(case.noise()),
        max_sequence_length=TEXT_LENGTH,
        output_type="np",
        **dict(zip(("image", "last_image"), pictures, strict=False)),
    )
    return np.asarray(found.frames[0], np.float32) * 2 - 1


def references() -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Run every case."""
    arrays, shapes = {}, {}
    # Its repair of broken text is not needed for plain ASCII, and not always installed.
    plain = SimpleNamespace(fix_text=str)
    with (
        mock.patch.object(pipeline_wan, "ftfy", plain, create=True),
        mock.patch.object(pipeline_wan_i2v, "ftfy", plain, create=True),
    ):
        for case in CASES:
            modules = modules_of(case)
            frames = frames_of(case, modules)
            assert (np.abs(frames) == 1).mean() < CLAMPED, case.name
            arrays[case.name] = chosen(frames)
            shapes[case.name] = {
                part: named_shapes(module) for part, module in modules.items() if module
            }
    return arrays, {"shapes": shapes}


if __name__ == "__main__":
    write_references("pipeline", *references())
