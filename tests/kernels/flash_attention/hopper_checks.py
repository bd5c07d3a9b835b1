"""What the tests of Hopper's forward kernels share: lowering for CUDA, the interpreter, errors."""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import export
from jax._src.pallas.mosaic_gpu.interpret import interpret_pallas_call as interpreter
from jax.experimental.mosaic.gpu import core as mosaic
from jax.experimental.pallas import mosaic_gpu as plgpu

from animatrix_kernels.flash_attention import reference
from animatrix_kernels.flash_attention.hopper_tiles import Tile

RACES = plgpu.InterpretGPUParams(detect_races=True)
reference_attention = jax.jit(reference.attention, static_argnums=4)


def draw(seed: int, *shape: int, dtype: Any = jnp.bfloat16, spread: float = 1.0) -> jax.Array:
    numbers = np.random.default_rng([seed, *shape]).standard_normal(shape)
    return jnp.asarray(spread * numbers, dtype)


def lower(
    attention: Callable[..., Any],
    tile: Tile,
    head_dim: int,
    q_length: int = 75_600,
    kv_length: int = 75_600,
    dtype: Any = jnp.bfloat16,
) -> str:
    """Lower one call over 40 heads for CUDA, and return the module."""
    q = jax.ShapeDtypeStruct((1, q_length, 40, head_dim), dtype)
    k = jax.ShapeDtypeStruct((1, kv_length, 40, head_dim), dtype)
    call = functools.partial(attention, scale=head_dim**-0.5, tile=tile)
    exported = export.export(
        jax.jit(call),
        platforms=["cuda"],
        disabled_checks=[export.DisabledSafetyCheck.custom_call("mosaic_gpu_v2")],
    )(q, k, k, jax.ShapeDtypeStruct((1,), jnp.int32))
    return exported.mlir_module()


def gpu_module(monkeypatch: Any, lowered: Callable[[], str]) -> str:
    """Return the text of the GPU module that a lowering makes, before it is packed."""
    texts: list[str] = []
    pack = mosaic._run_serde_pass

    def keep(module: Any, **options: Any) -> Any:
        texts.append(str(module))
        return pack(module, **options)

    monkeypatch.setattr(mosaic, "_run_serde_pass", keep)
    lowered()
    return texts[0]


def raced() -> bool:
    """Say whether the interpreter's last kernel had a race."""
    return interpreter.get_races().races_found


def distance(found: Any, wanted: Any) -> float:
    """The relative L2 distance."""
    found, wanted = np.asarray(found, np.float64), np.asarray(wanted, np.float64)
    return float(np.linalg.norm(found - wanted) / np.linalg.norm(wanted))
