"""Which backend serves a call, what is said about it, and what cuDNN is handed."""

import functools
import logging
import re
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax._src.cudnn import fused_attention_stablehlo as jax_cudnn

from animatrix_kernels.flash_attention import cudnn, dispatch, flash_attention, xla
from animatrix_kernels.flash_attention.backend import Backend, Request, attention_of
from animatrix_kernels.fused import forms
from animatrix_kernels.fused.adaln import gated_sum
from animatrix_kernels.platforms import gpu_capability, platform_of
from tests.devices import on_eight_devices

BF16 = jnp.dtype(jnp.bfloat16)
LONG = Request((1, 75600, 40, 128), 75600, BF16, masked=False)
SHORT = Request((1, 75600, 40, 128), 520, BF16, masked=True)


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    dispatch._say.cache_clear()
    with caplog.at_level(logging.INFO, logger=dispatch.LOG.name):
        yield caplog
    dispatch._say.cache_clear()


def stand_in(name: str, platform: str, reason: str | None) -> dispatch.Entry:
    """A backend that attends as plain JAX does, and refuses everything where there is a reason."""
    backend = Backend(
        name, (platform,), xla.BACKEND.forward, None, lambda _: reason, opaque=False
    )  # fmt: skip
    return dispatch.Entry((platform,), lambda: backend)


def machine(monkeypatch: pytest.MonkeyPatch, **reasons: str | None) -> None:
    """Makes stand-ins of all backends but plain JAX, with what each refuses."""
    entries = {name: stand_in(name, *entry.platforms[:1], reasons.get(name))
               for name, entry in dispatch.ENTRIES.items() if name != "xla"}  # fmt: skip
    monkeypatch.setattr(dispatch, "ENTRIES", entries | {"xla": dispatch.ENTRIES["xla"]})


@pytest.mark.parametrize(
    ("platform", "request_", "reasons", "taken"),
    [
        ("gpu", LONG, {}, "hopper"),
        ("gpu", SHORT, {}, "cudnn"),
        ("gpu", LONG, {"hopper": "too old"}, "cudnn"),
        ("gpu", SHORT, {"cudnn": "no"}, "hopper"),
        ("gpu", LONG, {"hopper": "too old", "cudnn": "too wide"}, "xla"),
        ("tpu", SHORT, {}, "tpu"),
        ("tpu", LONG, {"tpu": "odd"}, "xla"),
        ("cpu", LONG, {}, "xla"),
        ("abacus", LONG, {}, "xla"),
    ],
)
def test_the_best_that_does_not_refuse_is_taken_and_named_once(
    monkeypatch: pytest.MonkeyPatch,
    said: pytest.LogCaptureFixture,
    platform: str,
    request_: Request,
    reasons: dict[str, str],
    taken: str,
) -> None:
    machine(monkeypatch, **reasons)
    for _ in range(2):
        assert dispatch.choose(request_, platform, None).name == taken
    (record,) = said.records
    assert record.getMessage().startswith(f"attention on {platform}: {taken}")
    assert all(reason in record.getMessage() for reason in reasons.values())
    slow = taken == "xla" and platform in ("gpu", "tpu")
    assert record.levelno == (logging.WARNING if slow else logging.INFO)


@pytest.mark.parametrize(
    ("platform", "name", "sentence"),
    [
        ("gpu", "hoper", "there is no attention backend 'hoper': there are hopper, hopper_fp8, cu"),
        ("cpu", "tpu", r"'tpu' cannot serve this call \(it runs on tpu, not on cpu\): xla can"),
        ("gpu", "hopper", r"'hopper' cannot serve this call \(too old\): cudnn, xla, hopper_fp8 c"),
    ],
)
def test_what_cannot_serve_says_what_can(
    monkeypatch: pytest.MonkeyPatch, platform: str, name: str, sentence: str
) -> None:
    machine(monkeypatch, hopper="too old")
    with pytest.raises(ValueError, match=sentence):
        dispatch.choose(LONG, platform, name)
    assert dispatch.choose(LONG, "gpu", "cudnn").name == "cudnn"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({}, None),
        ({"dtype": jnp.dtype("float32")}, "bfloat16 and float16, not float32"),
        ({"q_shape": (1, 8, 2, 129)}, "head dims of 8 to 128"),
        ({"kv_length": 0}, "at least one query and one key"),
        ({"statistics": True}, "log-sum-exp"),
        ({"deterministic": True}, "from call to call"),
        ({"capability": "8.0"}, None),
        ({"capability": "NVIDIA B200"}, None),
        ({"capability": "gfx942"}, "an NVIDIA GPU, not gfx942"),
    ],
)
def test_what_cudnn_refuses(change: dict[str, Any], reason: str | None) -> None:
    said = cudnn.refusal(Request(**(vars(LONG) | change)))
    assert said is None if reason is None else reason in str(said)


def lowered_for_cuda(function: Any, *shapes: jax.ShapeDtypeStruct) -> str:
    # How JAX lowers cuDNN's call without one; XLA makes the library's graph when it compiles.
    return jax.jit(function).trace(*shapes).lower(lowering_platforms=("cuda",)).as_text()


def test_cudnn_gets_key_counts_and_padded_keys_and_gradients(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(jax_cudnn, "check_cudnn_version", lambda: 91000)
    q = jax.ShapeDtypeStruct((2, 70, 4, 128), BF16)
    k = jax.ShapeDtypeStruct((2, 520, 4, 128), BF16)
    lengths = jax.ShapeDtypeStruct((2,), jnp.int32)
    attend = functools.partial(attention_of(cudnn.BACKEND), scale=0.1)

    def loss(q: Any, k: Any, v: Any, lengths: Any) -> jax.Array:
        return attend(q, k, v, lengths)[0].astype(jnp.float32).sum()

    text = lowered_for_cuda(jax.grad(loss, (0, 1, 2)), q, k, k, lengths)
    calls = re.findall(r"__cudnn\$fmhaSoftmax\w*", text)
    assert sorted(set(calls)) == ["__cudnn$fmhaSoftmax", "__cudnn$fmhaSoftmaxBackward"]
    assert "tensor<2x640x4x128xbf16>" in text and "PADDING" in text
    assert "tensor<2x70x4x520" not in text and "tensor<2x4x70x520" not in text
    unmasked = lowered_for_cuda(lambda q, k, v: attend(q, k, v, None)[0], q, k, k)
    assert "tensor<2x640x4x128xbf16>" not in unmasked and "PADDING" not in unmasked


def test_a_backend_without_gradients_says_so() -> None:
    only_forward = Backend("once", ("cpu",), xla.BACKEND.forward, None, lambda _: None)
    x = jnp.ones((1, 2, 1, 4))
    out, _ = attention_of(only_forward)(x, x, x, None, 0.5)
    np.testing.assert_allclose(out, x, rtol=1e-6)
    with pytest.raises(ValueError, match="'once' is for inference and has no gradients"):
        jax.grad(lambda q: attention_of(only_forward)(q, x, x, None, 0.5)[0].sum())(x)


def test_key_counts_beyond_the_keys_and_below_none_are_those_of_all_and_none() -> None:
    x = jnp.asarray(np.random.default_rng(0).standard_normal((2, 3, 1, 4)), jnp.float32)
    out = flash_attention(x, x, x, kv_lengths=jnp.array([7, -1]))
    np.testing.assert_array_equal(out[0], flash_attention(x, x, x)[0])
    assert not out[1].any()


def test_types_that_do_not_fit_are_one_sentence() -> None:
    x = jnp.ones((1, 2, 1, 4))
    with pytest.raises(ValueError, match="of one float type, not float32, bfloat16 and float32"):
        flash_attention(x, x.astype(BF16), x)


def test_a_backend_by_name_is_said_too(said: pytest.LogCaptureFixture) -> None:
    assert dispatch.choose(LONG, "gpu", "xla").name == "xla"
    (record,) = said.records
    assert record.getMessage() == "attention on gpu: xla" and record.levelno == logging.INFO


def test_a_traced_scale_is_one_sentence() -> None:
    x = jnp.ones((1, 2, 1, 4))
    with pytest.raises(ValueError, match="a number that is known while tracing"):
        jax.jit(lambda scale: flash_attention(x, x, x, scale=scale))(0.5)


def mesh_of(kind: str, platform: str) -> jax.sharding.AbstractMesh:
    device = jax.sharding.AbstractDevice(kind, num_cores=1, platform=platform)
    return jax.sharding.AbstractMesh((1,), ("data",), abstract_device=device)


@pytest.mark.parametrize(
    ("kind", "taken"), [("NVIDIA H100 80GB HBM3", "hopper"), ("NVIDIA A100-SXM4-80GB", "cudnn")]
)
def test_for_gpus_that_are_elsewhere_their_kind_decides(
    monkeypatch: pytest.MonkeyPatch,
    said: pytest.LogCaptureFixture,
    caplog: pytest.LogCaptureFixture,
    kind: str,
    taken: str,
) -> None:
    monkeypatch.setattr(jax_cudnn, "check_cudnn_version", lambda: 91000)
    caplog.set_level(logging.INFO, logger=forms.LOG.name)
    forms._say.cache_clear()
    x = jax.ShapeDtypeStruct((1, 2048, 2, 128), BF16)

    def both(x: jax.Array) -> jax.Array:
        flat = x.reshape(1, 2048, 256)
        return flash_attention(x, x, x).reshape(flat.shape) + gated_sum(flat, flat, flat)

    with jax.sharding.use_abstract_mesh(mesh_of(kind, "gpu")):
        jax.jit(both).trace(x)
    attention, gate = (record.getMessage() for record in said.records)
    assert attention.startswith(f"attention on gpu: {taken}")
    assert gate.startswith("adaln on gpu: hopper" if taken == "hopper" else "adaln on gpu: xla")
    assert taken == "hopper" or (kind in attention and kind in gate)


def test_an_unknown_gpu_is_taken_for_what_is_asked() -> None:
    assert gpu_capability(jax.ShapeDtypeStruct((1,), BF16)) is None
    assert dispatch.choose(LONG, "gpu", None).name == "hopper"


def test_the_platform_is_that_of_the_array_or_of_the_mesh() -> None:
    assert platform_of(jnp.ones(1)) == "cpu"
    seen = []

    def traced(x: jax.Array) -> jax.Array:
        seen.append(platform_of(x))
        return x

    shape = jax.ShapeDtypeStruct((4,), jnp.float32)
    jax.eval_shape(traced, shape)
    with jax.sharding.use_abstract_mesh(mesh_of("TPU v5", "tpu")):
        jax.eval_shape(traced, shape)
    assert seen == ["cpu", "tpu"]


@pytest.fixture(scope="session")
def split() -> dict[str, Any]:
    """What `eight_devices` finds in a process of its own."""
    return on_eight_devices("tests.kernels.flash_attention.eight_devices", optimized=True)


def test_batch_and_heads_are_split_without_moving_anything(split: dict[str, Any]) -> None:
    facts = split["batch and heads"]
    assert max(facts.pop("errors")) < 1e-6
    assert set(facts.values()) == {0}


def test_split_queries_sum_the_gradients_of_keys_once(split: dict[str, Any]) -> None:
    facts = split["queries"]
    assert max(facts["errors"]) < 1e-6
    assert facts["all-gather"] == 0 and facts["all-reduce"] >= 1


def test_split_keys_are_gathered_never_wrong(split: dict[str, Any]) -> None:
    facts = split["queries and keys"]
    assert max(facts["errors"]) < 1e-6 and facts["all-gather"] >= 1


def test_experts_under_vmap_are_one_more_split_dim(split: dict[str, Any]) -> None:
    assert max(split["experts"]["errors"]) < 2e-6 and split["experts"]["all-gather"] == 0


def test_layers_recomputed_under_experts_have_the_gradients_of_plain_jax(
    split: dict[str, Any],
) -> None:
    assert split["trained"] < 1e-5


def test_inside_shard_map_every_device_attends_with_what_it_has(split: dict[str, Any]) -> None:
    assert split["shard_map"]["error"] < 2e-6


def test_a_cpu_never_loads_the_gpu_kernels(split: dict[str, Any]) -> None:
    assert split["loaded"] == []
