"""What diffusers' WanTransformer3DModel gives: `python -m tests.parity.torch_dit` stores it."""

from typing import Any

import numpy as np
import torch
from diffusers import WanTransformer3DModel

from tests.parity.case import write_references
from tests.parity.specs import DIT_CASES, DiTCase
from tests.parity.torch_modules import fill, shapes_of, with_own_error


def build(case: DiTCase) -> WanTransformer3DModel:
    """Return the module of a case's sizes with its random weights."""
    module = WanTransformer3DModel(
        num_attention_heads=case.heads,
        attention_head_dim=case.dim // case.heads,
        in_channels=case.in_channels,
        out_channels=case.latent_channels,
        text_dim=case.text_dim,
        ffn_dim=case.ffn_dim,
        num_layers=case.layers,
        rope_max_seq_len=32,
    )
    return fill(module, case.seed)


def references() -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Run every case in float32 and float64."""
    arrays, own, shapes = {}, {}, {}
    for case in DIT_CASES:
        module = build(case)
        inputs = [torch.from_numpy(array) for array in case.inputs()]

        def run(
            module: torch.nn.Module, dtype: torch.dtype, inputs: list[torch.Tensor] = inputs
        ) -> torch.Tensor:
            return module(*(tensor.to(dtype) for tensor in inputs), return_dict=False)[0]

        arrays[case.name], own[case.name] = with_own_error(module, run)
        shapes[case.name] = shapes_of(module)
    return arrays, {"own_error": own, "shapes": shapes}


if __name__ == "__main__":
    write_references("dit", *references())
