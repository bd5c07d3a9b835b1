"""Every accelerator's backend, called as users call it, is lowered for its platform."""

from typing import Any

import jax
import jax.numpy as jnp
import pytest
from jax._src.cudnn import fused_attention_stablehlo as jax_cudnn
from jax.sharding import AbstractDevice, AbstractMesh, AxisType

from animatrix_kernels.flash_attention import dispatch, flash_attention

KINDS = {"gpu": "NVIDIA H200", "tpu": "TPU v5"}
CALLS = {
    "hopper": ("mosaic_gpu_v2",),
    "hopper_fp8": ("mosaic_gpu_v2",),
    "cudnn": ("__cudnn$fmhaSoftmax",),
    "tpu": ("tpu_custom_call",),
}
"""What a lowered call of each backend holds."""


def lowered(name: str, mapped: bool, masked: bool, gradients: bool = False, **options: Any) -> str:
    """The program of `flash_attention` for a device that is elsewhere."""
    (platform,) = dispatch.ENTRIES[name].platforms
    device = AbstractDevice(KINDS[platform], num_cores=1, platform=platform)
    mesh = AbstractMesh((1,), ("data",), axis_types=(AxisType.Auto,), abstract_device=device)

    def attend(q: Any, k: Any, v: Any, lengths: Any) -> jax.Array:
        lengths = lengths if masked else None
        return flash_attention(q, k, v, kv_lengths=lengths, backend=name, **options)

    def total(*arrays: Any) -> jax.Array:
        return attend(*arrays).astype(jnp.float32).sum()

    function = jax.grad(total, (0, 1, 2)) if gradients else attend
    function = jax.vmap(function) if mapped else function
    before = (2,) if mapped else ()
    q = jax.ShapeDtypeStruct((*before, 2, 200, 2, 128), jnp.bfloat16)
    k = jax.ShapeDtypeStruct((*before, 2, 90, 2, 128), jnp.bfloat16)
    lengths = jax.ShapeDtypeStruct((*before, 2), jnp.int32)
    with jax.sharding.use_abstract_mesh(mesh):
        traced = jax.jit(function).trace(q, k, k, lengths)
        return traced.lower(lowering_platforms=("cuda" if platform == "gpu" else "tpu",)).as_text()


@pytest.fixture(autouse=True)
def cudnn_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jax_cudnn, "check_cudnn_version", lambda: 91000)


@pytest.mark.parametrize("mapped", [False, True], ids=["alone", "vmap"])
@pytest.mark.parametrize("masked", [False, True], ids=["all", "masked"])
@pytest.mark.parametrize("name", CALLS)
def test_a_call_lowers(name: str, masked: bool, mapped: bool) -> None:
    text = lowered(name, mapped, masked)
    assert all(call in text for call in CALLS[name])


@pytest.mark.parametrize("mapped", [False, True], ids=["alone", "vmap"])
@pytest.mark.parametrize("name", [name for name in CALLS if name != "hopper_fp8"])
def test_its_gradients_lower(name: str, mapped: bool) -> None:
    text = lowered(name, mapped, masked=True, gradients=True)
    assert sum(text.count(call) for call in CALLS[name]) >= 2


def test_a_gradient_of_8_bits_is_refused_in_one_sentence() -> None:
    with pytest.raises(ValueError, match="'hopper_fp8' is for inference and has no gradients"):
        lowered("hopper_fp8", mapped=False, masked=False, gradients=True)
