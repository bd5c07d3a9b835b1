"""Errors of outputs and of gradients against float32, on rows that are drawn."""

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int

from side_by_side.shapes import Arrays

ROWS, HEADS = 64, 2
"""Queries and heads that are looked at: their logits, float32, are few at any length."""


def relative(got: ArrayLike, wanted: ArrayLike) -> float:
    """Relative L2 error; nan and infinite values make it infinite."""
    one, other = (np.asarray(x, np.float64) for x in (got, wanted))
    distance = float(np.linalg.norm(one - other) / max(np.linalg.norm(other), 1e-30))
    return distance if np.isfinite(distance) else float("inf")


def sampled_rows(length: int) -> Int[Array, " N"]:
    """Some queries, the last one among them."""
    some = np.random.default_rng(length).integers(0, length, ROWS - 1)
    return jnp.asarray(np.unique(np.append(some, length - 1)))


def exact_rows(
    arrays: Arrays, rows: Int[Array, " N"]
) -> tuple[Float[Array, "B N H D"], Float[Array, "B N H D"]]:
    """The outputs and the gradients of the queries at `rows`, of the first heads, in float32."""
    with jax.default_matmul_precision("highest"):
        return _exact(*(x[:, :, :HEADS] for x in arrays), rows)


@jax.jit
def _exact(
    q: Float[Array, "B Lq H D"],
    k: Float[Array, "B Lk H D"],
    v: Float[Array, "B Lk H D"],
    d_out: Float[Array, "B Lq H D"],
    rows: Int[Array, " N"],
) -> tuple[Float[Array, "B N H D"], Float[Array, "B N H D"]]:
    q, k, v, d_out = (x.astype(jnp.float32) for x in (q[:, rows], k, v, d_out[:, rows]))
    scale = q.shape[-1] ** -0.5

    def attend(q: Float[Array, "B N H D"]) -> Float[Array, "B N H D"]:
        weights = jax.nn.softmax(scale * jnp.einsum("bqhd,bkhd->bhqk", q, k))
        return jnp.einsum("bhqk,bkhd->bqhd", weights, v)

    out, pull = jax.vjp(attend, q)
    return out, pull(d_out)[0]
