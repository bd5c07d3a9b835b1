"""Run by `test_sharding` in a process with eight CPU devices: prints one JSON object of facts."""

import functools
import json
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec as P

from animatrix_kernels.fused import adaln, qk_norm_rope

MESH = jax.make_mesh((4, 2), ("data", "model"), axis_types=(jax.sharding.AxisType.Auto,) * 2)
BATCH, LENGTH, HEADS, DIM = 4, 8, 4, 64
MOVES = ("all-gather", "all-to-all", "collective-permute", "all-reduce")


def facts(function: Callable[..., jax.Array], *arrays_and_specs: tuple[Any, P]) -> dict[str, Any]:
    """Compare result and gradients with those of one device, and count what moves."""
    arrays = [array for array, _ in arrays_and_specs]
    shardings = tuple(NamedSharding(MESH, spec) for _, spec in arrays_and_specs)

    def run(*arrays: jax.Array) -> tuple[jax.Array, ...]:
        out, back = jax.vjp(function, *arrays)
        d_out = jnp.cos(jnp.arange(out.size, dtype=jnp.float32)).reshape(out.shape)
        return out, *back(d_out)

    outs = (NamedSharding(MESH, arrays_and_specs[0][1]), *shardings)
    split = jax.jit(run, in_shardings=shardings, out_shardings=outs).lower(*arrays).compile()
    placed = [jax.device_put(x, s) for x, s in zip(arrays, shardings, strict=True)]
    errors = [
        float(np.linalg.norm(np.asarray(a) - b) / np.linalg.norm(b))
        for a, b in zip(split(*placed), map(np.asarray, jax.jit(run)(*arrays)), strict=True)
    ]
    text = split.as_text()
    return {"errors": errors} | {name: text.count(f" {name}(") for name in MOVES}


def main() -> None:
    """Print every fact."""
    rng = np.random.default_rng(0)

    def draw(*shape: int) -> np.ndarray:
        return rng.standard_normal(shape).astype("float32")

    width = HEADS * DIM
    x, gain, turn = draw(BATCH, LENGTH, width), 1 + draw(width), draw(LENGTH, DIM // 2)
    rotary = (jnp.cos(turn), jnp.sin(turn))
    norm_rope = functools.partial(
        qk_norm_rope.apply, "tpu", heads=HEADS, rotary=rotary, eps=1e-6, interpret=True
    )

    def flat(x: jax.Array, gain: jax.Array) -> jax.Array:
        return norm_rope(x, gain).reshape(x.shape)

    def norm(x: jax.Array, scale: jax.Array, shift: jax.Array) -> jax.Array:
        return adaln.apply_norm("tpu", x, scale, shift, None, 1e-6, x.dtype, interpret=True)

    gate = functools.partial(adaln.apply_gate, "tpu", interpret=True)
    scale, per_token = draw(BATCH, 1, width), draw(BATCH, LENGTH, width)
    by_batch, by_token = P("data"), P(None, "data")
    print(
        json.dumps(
            {
                "rope by batch": facts(flat, (x, by_batch), (gain, P())),
                "rope by token": facts(flat, (x, by_token), (gain, P())),
                "rope by head": facts(flat, (x, P("data", None, "model")), (gain, P("model"))),
                "norm by batch": facts(norm, (x, by_batch), (scale, by_batch), (scale, by_batch)),
                "norm by token": facts(norm, (x, by_token), (scale, P()), (scale, P())),
                "norm of each token": facts(norm, *[(y, by_token) for y in (x, per_token, x)]),
                "gate by token": facts(gate, (x, by_token), (scale, P()), (per_token, by_token)),
            }
        )
    )


if __name__ == "__main__":
    main()
