"""Attention over split tokens: its numbers on eight devices, and what the TPU's compiler makes."""

import re
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AbstractDevice, AbstractMesh, NamedSharding
from jax.sharding import PartitionSpec as P

from animatrix_jax.parallel.context import Degrees, context_attention, degrees_for
from animatrix_jax.parallel.mesh import AXES, MeshSettings, kernels_on, make_mesh
from animatrix_kernels import tpu_compiler
from animatrix_kernels.flash_attention import flash_attention
from tests.animatrix_jax.parallel.context_checks import SHARES, draw, moves
from tests.devices import on_eight_devices


@pytest.fixture(scope="module")
def facts() -> dict[str, Any]:
    """What `context_checks` finds in a process of its own."""
    return on_eight_devices("tests.animatrix_jax.parallel.context_checks")


@pytest.mark.parametrize("name", SHARES)
def test_every_share_gives_what_one_device_gives(facts: dict[str, Any], name: str) -> None:
    """Outputs and gradients, over even and uneven tokens, text, and key counts down to none."""
    errors = facts[name]["errors"]
    assert len(errors) == 12 and all(error <= 1e-5 for error in errors.values()), errors


@pytest.mark.parametrize("name", SHARES)
def test_what_moves_moves_along_context(facts: dict[str, Any], name: str) -> None:
    """Nothing moves between experts. (All-gathers bring the results together for this program.)"""
    ulysses, ring = map(int, name.split(" x "))
    ours = {k: n for k, n in facts[name]["moves"].items() if not k.startswith("all-gather")}
    assert ("all-to-all over context" in ours) == (ulysses > 1)
    assert ("collective-permute over context" in ours) == (ring > 1)
    along = {move.split(" over ")[1] for move in ours}
    # A batch that is left whole on the devices of `data` has its gradients summed over them.
    whole_batch = {"data", "data and context"} if SHARES[name][0].data == 4 else set()
    assert along <= {"", "context"} | whole_batch


def test_gradients_through_layers_that_are_computed_again(facts: dict[str, Any]) -> None:
    found = facts["trained"]
    assert all(error <= 1e-5 for error in found["errors"].values()), found["errors"]
    assert {move.split(" over ")[1] for move in found["moves"]} == {"context"}


def test_errors_in_half_precision_are_those_of_one_device(facts: dict[str, Any]) -> None:
    one, eight = facts["half"]["one"], facts["half"]["eight"]
    assert one and all(eight[name] <= 1.5 * one[name] for name in one), (one, eight)


def mesh_of(platform: str = "cpu", **extents: int) -> AbstractMesh:
    device = AbstractDevice({"gpu": "NVIDIA H200"}.get(platform, platform), 1, platform=platform)
    shape = tuple(extents.get(axis, 1) for axis in AXES)
    kinds = (jax.sharding.AxisType.Auto,) * len(AXES)
    return AbstractMesh(shape, AXES, axis_types=kinds, abstract_device=device)


@pytest.mark.parametrize(
    ("extents", "ulysses", "wanted"),
    [
        ({"context": 8}, None, Degrees(8, 1)),
        ({"context": 16}, None, Degrees(8, 2)),
        ({"context": 8, "tensor": 2}, None, Degrees(4, 2)),
        ({"context": 8, "tensor": 8}, None, Degrees(1, 8)),
        ({"context": 12}, 2, Degrees(2, 6)),
        ({}, None, Degrees(1, 1)),
    ],
)
def test_the_largest_exchange_that_can_be(
    extents: dict[str, int], ulysses: int | None, wanted: Degrees
) -> None:
    assert degrees_for(mesh_of(**extents), 40, ulysses) == wanted


@pytest.mark.parametrize(
    ("extents", "ulysses", "sentence"),
    [
        ({"tensor": 3}, None, "40 heads are not split over tensor 3: it is one of 1, 2, 4, 5, 8"),
        ({"context": 16}, 16, "both the 16 devices of context and the 40 heads .* 1, 2, 4, 8\n"),
        ({"context": 8, "tensor": 4}, 4, "the 10 heads that tensor 4 leaves each: .* 1, 2\n"),
        ({"context": 4}, 5, "Ulysses 5 does not divide both the 4 devices of context"),
        ({"context": 4}, 0, "Ulysses 0 does not"),
    ],
)
def test_heads_that_cannot_be_split_are_one_sentence(
    extents: dict[str, int], ulysses: int | None, sentence: str
) -> None:
    attend = context_attention(mesh_of(**extents), ulysses=ulysses)  # type: ignore[arg-type]
    x = jax.ShapeDtypeStruct((1, 16, 40, 8), jnp.float32)
    with pytest.raises(ValueError, match=sentence):
        jax.eval_shape(lambda x: attend(x, x, x, None), x)


def test_on_one_device_it_is_attention_itself() -> None:
    attend = context_attention(make_mesh(MeshSettings(), jax.devices()[:1]))
    q, k, v = (jnp.asarray(draw(seed, 6)[0]) for seed in range(3))
    lengths = jnp.array([6, 2])
    np.testing.assert_array_equal(
        attend(q, k, v, lengths), flash_attention(q, k, v, kv_lengths=lengths)
    )


def test_a_ring_of_gpus_takes_the_kernels_of_both_passes() -> None:
    mesh = mesh_of("gpu", context=4)
    attend = context_attention(mesh, ulysses=2)  # type: ignore[arg-type]
    x = jax.ShapeDtypeStruct((1, 512, 4, 128), jnp.bfloat16)

    def loss(q: Any, k: Any, v: Any) -> jax.Array:
        return attend(q, k, v, None).astype(jnp.float32).sum()

    with jax.sharding.use_abstract_mesh(mesh):
        traced = jax.jit(jax.grad(loss, (0, 1, 2))).trace(x, x, x)
        text = traced.lower(lowering_platforms=("cuda",)).as_text()
    assert text.count("mosaic_gpu") >= 4
    assert "all_to_all" in text and "collective_permute" in text


def computations(text: str) -> list[list[str]]:
    """The instructions of every computation of a compiled program, in their scheduled order."""
    return [part.splitlines() for part in re.split(r"\n\n", text)]


def places(lines: list[str], pattern: str) -> list[int]:
    return [n for n, line in enumerate(lines) if re.search(pattern, line)]


@pytest.mark.parametrize("ulysses", [1, 2, 4], ids=["ring", "product", "exchange"])
def test_the_tpu_compiler_takes_it(ulysses: int) -> None:
    """Forward and backward, mapped over two experts; a block is under way while one is computed."""
    if not tpu_compiler.available():
        pytest.skip("libtpu is not installed: `make setup` brings it on Linux for x86_64")
    mesh = make_mesh(MeshSettings(expert=2, context=4), tpu_compiler.topology("v5e:2x4"))
    attend = context_attention(mesh, ulysses=ulysses)
    sharding = NamedSharding(mesh, P("expert", None, "context"))
    x = jax.ShapeDtypeStruct((2, 1, 512, 4, 128), jnp.bfloat16, sharding=sharding)

    def loss(q: Any, k: Any, v: Any) -> jax.Array:
        return jnp.square(attend(q, k, v, None).astype(jnp.float32)).sum()

    with kernels_on(mesh):
        mapped = jax.vmap(jax.grad(loss, (0, 1, 2)), spmd_axis_name="expert")
        traced = jax.jit(mapped).trace(x, x, x)
    text = traced.lower().compile().as_text()
    found = moves(text, mesh)
    assert set(found) <= {"all-to-all over context", "collective-permute over context"}
    # q, k, v and the output, forward and backward.
    assert found.get("all-to-all over context", 0) == (8 if ulysses > 1 else 0)
    assert ("collective-permute over context" in found) == (ulysses < 4)
    for kernel in ("attention_forward", "attention_gradients"):
        assert kernel in text
        if ulysses > 1:
            continue
        inside = [
            (starts, kernels, ends)
            for lines in computations(text)
            if (starts := places(lines, r" collective-permute-start\("))
            and (kernels := places(lines, rf"%{kernel}[.\d]* = .* custom-call\("))
            and (ends := places(lines, r" collective-permute-done\("))
            and not lines[0].startswith("ENTRY")
        ]
        assert inside
        for starts, kernels, ends in inside:
            assert max(starts) < min(kernels) and max(kernels) < min(ends)
