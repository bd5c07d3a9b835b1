"""What transformers' UMT5EncoderModel gives: `python -m tests.parity.torch_umt5` stores it."""

from typing import Any

import numpy as np
import torch
from transformers import UMT5Config, UMT5EncoderModel

from tests.parity.case import write_references
from tests.parity.specs import UMT5_CASES, UMT5Case
from tests.parity.torch_modules import fill, shapes_of, with_own_error
from tests.parity.weights import random_tensors

TIED = "encoder.embed_tokens.weight"
"""A second name of shared.weight, which checkpoints leave out."""


def build(case: UMT5Case) -> UMT5EncoderModel:
    """Return the module of a case's sizes with its random weights."""
    config = UMT5Config(
        vocab_size=case.vocab,
        d_model=case.dim,
        d_kv=case.head_dim,
        d_ff=case.ffn_dim,
        num_layers=case.layers,
        num_heads=case.heads,
        feed_forward_proj="gated-gelu",
    )
    module = fill(UMT5EncoderModel(config), case.seed)
    # Two names of one tensor: whichever was loaded last, it gets the first one's values.
    assert module.state_dict()[TIED].data_ptr() == module.shared.weight.data_ptr()
    rows = random_tensors({"shared.weight": (case.vocab, case.dim)}, case.seed)["shared.weight"]
    with torch.no_grad():
        module.shared.weight.copy_(torch.from_numpy(rows))
    return module


def references() -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Run every case in float32 and float64, zero where the input is padding."""
    arrays, own, shapes = {}, {}, {}
    for case in UMT5_CASES:
        module = build(case)
        ids = torch.from_numpy(case.ids()).long()
        mask = (ids > 0).long()

        def run(
            module: torch.nn.Module,
            dtype: torch.dtype,
            ids: torch.Tensor = ids,
            mask: torch.Tensor = mask,
        ) -> torch.Tensor:
            return module(ids, mask).last_hidden_state * mask[..., None]

        arrays[case.name], own[case.name] = with_own_error(module, run)
        shapes[case.name] = {n: s for n, s in shapes_of(module).items() if n != TIED}
    return arrays, {"own_error": own, "shapes": shapes}


if __name__ == "__main__":
    write_references("umt5", *references())
