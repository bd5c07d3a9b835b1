"""The backward pass of attention on Hopper: the fused form, or the split one where bits count.

Run on no GPU yet: both forms are lowered for CUDA, compiled by ptxas, and interpreted at small
shapes.
"""

from animatrix_kernels.flash_attention import (
    hopper_backward_fused,
    hopper_backward_split,
    hopper_backward_tiles,
)
from animatrix_kernels.flash_attention.backend import Keys, Queries, Saved, Statistics
from animatrix_kernels.flash_attention.hopper_backward_parts import prepare
from animatrix_kernels.flash_attention.hopper_backward_tiles import Tiles


def backward(
    saved: Saved,
    d_out: Queries,
    d_lse: Statistics,
    scale: float,
    deterministic: bool = False,
    float32: bool = False,
    *,
    tiles: Tiles | None = None,
    interpreted: bool = False,
) -> tuple[Queries, Keys, Keys]:
    """Return dq, dk and dv (FlashAttention-2, arXiv 2307.08691, algorithm 2).

    Args:
      saved: what the forward pass left; keys and values past their lengths are finite.
      d_out: the gradient of the output.
      d_lse: the gradient of the natural log-sum-exp, finite.
      scale: factor of the logits.
      deterministic: whether every call must give the same bits, at seven products to five.
      float32: without effect: the kernels round what they write.
      tiles: sizes of the kernels; those of the nearest shape in the table when None.
      interpreted: whether to run in Pallas' interpreter, which also looks for races.
    """
    del float32
    inputs = prepare(saved, d_out, d_lse)
    _, q_length, _, head_dim = saved.q.shape
    kv_length = saved.k.shape[1]
    tiles = tiles or hopper_backward_tiles.tiles_for(head_dim, q_length, kv_length)
    if deterministic:
        d_q = hopper_backward_split.query_gradient(inputs, scale, tiles.query, interpreted)
        d_k, d_v = hopper_backward_split.key_gradients(inputs, scale, tiles.key, interpreted)
    else:
        d_q, d_k, d_v = hopper_backward_fused.gradients(inputs, scale, tiles.fused, interpreted)
    return d_q[:, :q_length], d_k[:, :kv_length], d_v[:, :kv_length]
