"""Run by `test_context` in a process with eight CPU devices: prints one JSON object of facts."""

import collections
import functools
import json
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec as P

from animatrix_jax.parallel.collectives import collectives
from animatrix_jax.parallel.context import context_attention
from animatrix_jax.parallel.mesh import MeshSettings, kernels_on, make_mesh, map_experts
from animatrix_kernels.flash_attention import flash_attention

EXPERTS, BATCH, HEADS, DIM = 2, 2, 8, 8
EVEN, UNEVEN, FEW = 16, 19, 7
"""Tokens that eight devices divide, tokens that they do not (one gets none), keys of a text."""

SHARES = {
    "1 x 2": (MeshSettings(data=2, context=2, tensor=2), 1),
    "2 x 1": (MeshSettings(data=4, context=2), 2),
    "1 x 4": (MeshSettings(expert=2, context=4), 1),
    "2 x 2": (MeshSettings(expert=2, context=4), 2),
    "4 x 1": (MeshSettings(context=4, tensor=2), 4),
    "1 x 8": (MeshSettings(context=8), 1),
    "2 x 4": (MeshSettings(context=8), 2),
    "4 x 2": (MeshSettings(context=8), 4),
    "8 x 1": (MeshSettings(context=8), None),
}
"""Ulysses × ring on some mesh; four devices of `data` do not divide the batch."""

LENGTHS = [
    np.array([[UNEVEN, 5], [0, 16]], "int32"),
    np.array([[1, 0], [UNEVEN + 9, UNEVEN - 1]], "int32"),
    *np.random.default_rng(0).integers(0, UNEVEN + 1, (6, EXPERTS, BATCH), "int32"),
]


def draw(seed: int, tokens: int) -> np.ndarray:
    shape = (EXPERTS, BATCH, tokens, HEADS, DIM)
    return np.random.default_rng([seed, tokens]).standard_normal(shape).astype("float32")


INPUTS = {
    "even": [draw(seed, EVEN) for seed in range(3)],
    "uneven": [draw(seed, UNEVEN) for seed in range(3)],
    "cross": [draw(0, UNEVEN), draw(1, FEW), draw(2, FEW)],
}


def plain(q: Any, k: Any, v: Any, lengths: Any) -> jax.Array:
    """Softmax attention as it is written down, in float32."""
    q, k, v = (x.astype(jnp.float32) for x in (q, k, v))
    counts = jnp.ones((q.shape[0], k.shape[1]), bool)
    if lengths is not None:
        counts = jnp.arange(k.shape[1]) < lengths[:, None]
    counts = counts[:, None, None]
    logits = jnp.where(counts, jnp.einsum("bqhd,bkhd->bhqk", q, k) * DIM**-0.5, -1e30)
    return jnp.einsum("bhqk,bkhd->bqhd", jnp.where(counts, jax.nn.softmax(logits), 0), v)


def results(attend: Any, inputs: Any, lengths: Any) -> Any:
    """One expert's outputs and the gradients of a sum of them."""

    def total(inputs: Any) -> tuple[jax.Array, Any]:
        outs = {
            "even": attend(*inputs["even"], None),
            "uneven": attend(*inputs["uneven"], lengths),
            "cross": attend(*inputs["cross"], lengths // 2),
        }
        weighted = (jnp.cos(jnp.arange(x.size)).reshape(x.shape) * x for x in outs.values())
        return sum(x.sum() for x in weighted), outs

    (_, outs), gradients = jax.value_and_grad(total, has_aux=True)(inputs)
    return {"out": outs, "gradients": gradients}


def layers(attend: Any, weights: Any, x: Any, lengths: Any) -> jax.Array:
    """One expert's loss over layers that are scanned and computed again in the backward pass."""

    @functools.partial(jax.checkpoint, prevent_cse=False)
    def layer(x: Any, weight: Any) -> tuple[Any, None]:
        q = jnp.einsum("blhd,de->blhe", x, weight)
        return x + attend(q, x, q, lengths), None

    return jnp.square(jax.lax.scan(layer, x, weights)[0]).sum()


def errors(got: Any, wanted: Any) -> dict[str, float]:
    """The relative L2 error of every array."""

    def error(a: Any, b: Any) -> float:
        a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
        return float(np.linalg.norm(a - b) / np.linalg.norm(b))

    found = jax.tree.leaves_with_path(jax.tree.map(error, got, wanted))
    return {jax.tree_util.keystr(path): value for path, value in found}


def worst(found: list[dict[str, float]]) -> dict[str, float]:
    """The largest error of every array; nan stays."""
    return {name: float(np.max([one[name] for one in found])) for name in found[0]}


def moves(text: str, mesh: jax.sharding.Mesh) -> dict[str, int]:
    """How often each collective of a compiled program runs over which axes of the mesh."""
    found = (f"{one.kind} over {' and '.join(one.axes)}" for one in collectives(text, mesh))
    return dict(collections.Counter(found))


def split(function: Callable[..., Any], settings: MeshSettings, ulysses: int | None) -> Any:
    """A program of one expert's (attend, …) for a mesh: a function that compiles it for inputs."""
    mesh = make_mesh(settings)
    attend = context_attention(mesh, ulysses=ulysses)
    sharding = NamedSharding(mesh, P("expert", ("data", "fsdp") if settings.data < 4 else None))
    mapped = map_experts(functools.partial(function, attend), mesh)
    program = jax.jit(mapped, in_shardings=sharding, out_shardings=sharding)

    def compiled(*arrays: Any) -> tuple[Any, dict[str, int]]:
        with kernels_on(mesh):
            ready = program.lower(*arrays).compile()
        placed = functools.partial(jax.device_put, device=sharding)
        return lambda *now: ready(*map(placed, now)), moves(ready.as_text(), mesh)

    return compiled


def half_precision(wanted: Any) -> dict[str, Any]:
    """Errors in bfloat16 on eight devices and on one."""
    inputs = jax.tree.map(lambda x: jnp.asarray(x, jnp.bfloat16), INPUTS)
    exact = wanted(jax.tree.map(lambda x: x.astype(jnp.float32), inputs), LENGTHS[0])
    whole = lambda q, k, v, n: flash_attention(q, k, v, kv_lengths=n)  # noqa: E731
    alone = jax.jit(jax.vmap(functools.partial(results, whole)))
    together, _ = split(results, *SHARES["2 x 4"])(inputs, LENGTHS[0])
    return {
        "one": errors(alone(inputs, LENGTHS[0]), exact),
        "eight": errors(together(inputs, LENGTHS[0]), exact),
    }


def trained() -> dict[str, Any]:
    """Errors of gradients as in training, the experts' mapping inside of them."""
    weights = (0.3 * np.random.default_rng(3).standard_normal((EXPERTS, 3, DIM, DIM))).astype("f4")
    x, lengths = INPUTS["uneven"][0], LENGTHS[0]
    settings, ulysses = SHARES["2 x 2"]
    mesh = make_mesh(settings)

    def gradients(attend: Any, mapping: Any) -> Any:
        mapped = mapping(functools.partial(layers, attend))
        return jax.grad(lambda weights, x: mapped(weights, x, lengths).sum(), (0, 1))

    sharding = NamedSharding(mesh, P("expert"))
    program = gradients(
        context_attention(mesh, ulysses=ulysses), functools.partial(map_experts, mesh=mesh)
    )
    with kernels_on(mesh):
        ready = jax.jit(program, in_shardings=sharding, out_shardings=sharding)
        compiled = ready.lower(weights, x).compile()
    got = compiled(*(jax.device_put(x, sharding) for x in (weights, x)))
    wanted = jax.jit(gradients(plain, jax.vmap))(weights, x)
    return {"errors": errors(got, wanted), "moves": moves(compiled.as_text(), mesh)}


def with_nan_where_nothing_counts(lengths: np.ndarray) -> Any:
    """The inputs, of which keys and values past the key counts are nan."""
    counts = np.arange(UNEVEN) < lengths[..., None]
    q, k, v = INPUTS["uneven"]
    hidden = [np.where(counts[..., None, None], x, np.nan).astype("float32") for x in (k, v)]
    return INPUTS | {"uneven": [q, *hidden]}


def main() -> None:
    """Print every fact."""
    wanted = jax.jit(jax.vmap(functools.partial(results, plain)))
    expected = [wanted(INPUTS, lengths) for lengths in LENGTHS]
    found: dict[str, Any] = {}
    for name, share in SHARES.items():
        run, moved = split(results, *share)(INPUTS, LENGTHS[0])
        each = [
            errors(run(INPUTS, lengths), want)
            for lengths, want in zip(LENGTHS, expected, strict=True)
        ]
        each.append(errors(run(with_nan_where_nothing_counts(LENGTHS[0]), LENGTHS[0]), expected[0]))
        found[name] = {"errors": worst(each), "moves": moved}
    found["half"] = half_precision(wanted)
    found["trained"] = trained()
    print(json.dumps(found))


if __name__ == "__main__":
    main()
