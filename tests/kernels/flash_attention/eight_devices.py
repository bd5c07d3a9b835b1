"""Run by `test_dispatch` in a process with eight CPU devices: prints one JSON object of facts."""

import functools
import json
import sys
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import pallas as pl
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec as P

from animatrix_kernels.flash_attention import flash_attention, reference
from animatrix_kernels.flash_attention.backend import Backend, Saved, attention_of

SHAPE = (4, 8, 4, 8)
KV_LENGTH = 16
MESH = jax.make_mesh((4, 2), ("data", "model"), axis_types=(jax.sharding.AxisType.Auto,) * 2)


def forward(q: Any, k: Any, v: Any, lengths: Any, scale: float) -> tuple[jax.Array, jax.Array]:
    """Attention whose output goes through a Pallas kernel, which XLA cannot split."""
    out, lse = reference.attention(q, k, v, lengths, scale)

    def copy(source: Any, target: Any) -> None:
        target[...] = source[...]

    shape = jax.ShapeDtypeStruct(out.shape, out.dtype)
    return pl.pallas_call(copy, out_shape=shape, interpret=True)(out), lse


def backward(saved: Saved, d_out: Any, d_lse: Any, scale: float, *_: bool) -> tuple[Any, ...]:
    attend = functools.partial(reference.attention, kv_lengths=saved.kv_lengths, scale=scale)
    return jax.vjp(attend, saved.q, saved.k, saved.v)[1]((d_out, d_lse))


STAND_IN = Backend("stand-in", ("cpu",), forward, backward, lambda _: None)


def total(q: Any, k: Any, v: Any, lengths: Any, attend: Any) -> tuple[jax.Array, jax.Array]:
    out, lse = attend(q, k, v, lengths, 0.4)
    weights = jnp.cos(jnp.arange(out.size)).reshape(out.shape)
    return (weights * out).sum() + jnp.where(jnp.isfinite(lse), lse, 0).sum(), out


def facts(attend: Any, specs: tuple[P, P], arrays: Any, lengths: Any) -> dict[str, Any]:
    """Compare the split computation with that of one device, and count what moves."""
    q_spec, k_spec = specs
    shardings = [NamedSharding(MESH, spec) for spec in (q_spec, k_spec, k_spec)]
    length_sharding = NamedSharding(MESH, P(q_spec[0] if len(q_spec) else None))
    gradients = jax.grad(functools.partial(total, attend=attend), (0, 1, 2), has_aux=True)
    together = jax.jit(
        gradients,
        in_shardings=(*shardings, length_sharding),
        out_shardings=(tuple(shardings), shardings[0]),
    )
    compiled = together.lower(*arrays, lengths).compile()
    text = compiled.as_text()
    placed = [jax.device_put(x, s) for x, s in zip(arrays, shardings, strict=True)]
    got = jax.tree.leaves(compiled(*placed, jax.device_put(lengths, length_sharding)))
    wanted = jax.tree.leaves(jax.jit(gradients)(*arrays, lengths))
    errors = [
        float(np.linalg.norm(np.asarray(a) - b) / np.linalg.norm(b))
        for a, b in zip(got, map(np.asarray, wanted), strict=True)
    ]
    moves = ("all-gather", "all-to-all", "collective-permute", "all-reduce")
    return {"errors": errors} | {name: text.count(f" {name}(") for name in moves}


def experts(attend: Any) -> dict[str, Any]:
    """The mapped dim split over one mesh axis, the batch over the other."""
    rng = np.random.default_rng(1)
    q = rng.standard_normal((2, *SHAPE)).astype("float32")
    k, v = (rng.standard_normal((2, 4, KV_LENGTH, 4, 8)).astype("float32") for _ in "kv")
    lengths = jnp.asarray([[16, 3, 0, 9], [1, 16, 5, 2]], jnp.int32)
    sharding = NamedSharding(MESH, P("model", "data"))
    mapped = jax.vmap(jax.grad(functools.partial(total, attend=attend), (0, 1, 2), has_aux=True))
    compiled = (
        jax.jit(mapped, in_shardings=(sharding,) * 4, out_shardings=sharding)
        .lower(q, k, v, lengths)
        .compile()
    )
    placed = [jax.device_put(x, sharding) for x in (q, k, v, lengths)]
    got, wanted = jax.tree.leaves(compiled(*placed)), jax.tree.leaves(jax.jit(mapped)(*placed))
    one = jax.tree.leaves([jax.grad(functools.partial(total, attend=attend), 0, has_aux=True)(
        q[0], k[0], v[0], lengths[0])])  # fmt: skip
    errors = [float(np.abs(np.asarray(a) - b).max()) for a, b in zip(got, wanted, strict=True)]
    errors.append(float(np.abs(np.asarray(got[0])[0] - one[0]).max()))
    return {"errors": errors, "all-gather": compiled.as_text().count(" all-gather(")}


def trained(attend: Any) -> float:
    """The largest relative error of gradients as in training: experts, layers, recomputation."""
    rng = np.random.default_rng(2)
    layers = (0.3 * rng.standard_normal((2, 3, 8, 8))).astype("float32")
    x = rng.standard_normal((2, *SHAPE)).astype("float32")

    def loss(layers: Any, x: Any, attend: Any) -> jax.Array:
        @functools.partial(jax.checkpoint, prevent_cse=False)
        def layer(x: Any, weight: Any) -> tuple[Any, None]:
            q = x @ weight
            return x + attend(q, q, q, None, 0.4)[0], None

        return jnp.square(jax.lax.scan(layer, x, layers)[0]).sum()

    shardings = (NamedSharding(MESH, P("model")), NamedSharding(MESH, P("model", "data")))
    got, wanted = (
        jax.jit(jax.vmap(jax.grad(functools.partial(loss, attend=a))), in_shardings=shardings)(
            layers, x
        )
        for a in (attend, reference.attention)
    )
    return float(jnp.abs(got - wanted).max() / jnp.abs(wanted).max())


def by_hand(attend: Any, spec: P, arrays: Any) -> float:
    """The largest error of q's gradient, each device attending with what it has."""
    part = jax.shard_map(
        lambda q, k, v: jax.grad(lambda q: attend(q, k, v, None, 0.4)[0].sum())(q),
        mesh=MESH,
        in_specs=spec,
        out_specs=spec,
        check_vma=False,
    )
    wanted = jax.grad(lambda q: attend(q, *arrays[1:], None, 0.4)[0].sum())(arrays[0])
    return float(np.abs(jax.jit(part)(*arrays) - wanted).max())


def main() -> None:
    """Print every fact."""
    rng = np.random.default_rng(0)
    arrays = [rng.standard_normal(SHAPE).astype("float32")]
    arrays += [rng.standard_normal((4, KV_LENGTH, 4, 8)).astype("float32") for _ in "kv"]
    lengths = jnp.asarray([16, 5, 0, 11], jnp.int32)
    attend = attention_of(STAND_IN)
    by_batch_and_heads = P("data", None, "model")
    found = {
        "batch and heads": facts(attend, (by_batch_and_heads,) * 2, arrays, lengths),
        "queries": facts(attend, (P(None, "data"), P()), arrays, lengths),
        "queries and keys": facts(attend, (P(None, "data"), P(None, "data")), arrays, lengths),
        "experts": experts(attend),
    }  # fmt: skip
    found["trained"] = trained(attend)
    found["shard_map"] = {"error": by_hand(attend, by_batch_and_heads, arrays)}
    x = jnp.ones((1, 2, 1, 8))
    flash_attention(x, x, x, kv_lengths=jnp.array([1]))
    gpu_kernels = ("jax.experimental.pallas.mosaic_gpu", "jax.experimental.pallas.tpu")
    found["loaded"] = [name for name in gpu_kernels if name in sys.modules]
    print(json.dumps(found))


if __name__ == "__main__":
    main()
