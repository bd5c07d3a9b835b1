"""Correctness on the device that is there, before anything is timed on it."""

import functools
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from animatrix_kernels.flash_attention import dispatch, flash_attention, reference
from animatrix_kernels.flash_attention.backend import Request
from animatrix_kernels.platforms import gpu_capability
from side_by_side.exactness import relative
from side_by_side.shapes import WAN, Shape, draw
from side_by_side.timing import Clock

TIMES_XLA = 1.5
"""How many times XLA's own error at a type an error may be."""

OF_8_BITS = 0.1
"""Relative error that 8-bit products may make of normal inputs."""


WORKERS = 8
"""Cases that are compiled and run at one time."""


@dataclass(frozen=True)
class Case:
    """A call to check: a shape and type, how many keys count, and the spread of q."""

    shape: Shape
    kv_lengths: tuple[int, ...] | None = None
    dtype: str = "bfloat16"
    spread: float = 1.0


SMALL = (
    Case(Shape(1, 640, 640, 2, 128)),
    Case(Shape(2, 333, 1001, 2, 128), dtype="float16"),
    Case(Shape(1, 720, 520, 3, 128)),
    Case(Shape(3, 200, 512, 2, 128), (512, 77, 0)),
    Case(Shape(2, 1000, 300, 2, 64), (300, 129)),
    Case(Shape(2, 264, 512, 2, 64), (0, 500), dtype="float16"),
    Case(Shape(1, 1040, 976, 2, 128), spread=6.0),
    Case(Shape(1, 75, 20, 1, 64)),
)
"""Tails of both lengths, keys that do not count, rows without any, wide logits, few rows."""

LONG = {"gpu": WAN, "tpu": Shape(1, 75600, 75600, 4, 128)}
"""The long shape of a platform."""


@dataclass(frozen=True)
class Outcome:
    """What came of one check: a figure, and what it may be at most."""

    name: str
    figure: float
    limit: float

    @property
    def passed(self) -> bool:
        """Whether the figure is within its limit."""
        return self.figure <= self.limit


def to_check(platform: str) -> tuple[str, ...]:
    """Our own backends with gradients on a platform; plain JAX where there is no other."""
    found = tuple(
        name
        for name in ("hopper", "tpu")
        if platform in dispatch.ENTRIES[name].platforms and not _refused(name)
    )
    return found or ("xla",)


def _refused(name: str) -> bool:
    capability = gpu_capability(jnp.zeros(()))
    request = Request((1, 128, 1, 128), 128, jnp.dtype(jnp.bfloat16), False, capability=capability)
    return dispatch.load(name).refusal(request) is not None


def run(
    platform: str, clock: Clock, cases: tuple[Case, ...], long: Shape | None
) -> Iterator[Outcome]:
    """Check our backends on a long shape and on small cases.

    What the clock leaves no time for, or raises, is a check that failed.
    """
    jobs: list[tuple[str, Callable[[], list[Outcome]]]] = []
    for backend in to_check(platform):
        for deterministic in (False, True) if backend == "hopper" else (False,):
            form = f"{backend} split" if deterministic else backend
            attend = _attention(backend, deterministic)
            if long is not None:
                check = functools.partial(_long, form, attend, long)
                yield from _guarded(f"{form} {long}", check, None)
            for case in cases:
                label = _label(form, case)
                jobs.append((label, functools.partial(_case, label, attend, case)))
            if deterministic:
                jobs.append((f"{form} twice", functools.partial(_same_bits, form, attend)))
    if platform == "gpu" and not _refused("hopper_fp8"):
        jobs.append(("hopper_fp8", _eight_bits))
    with ThreadPoolExecutor(WORKERS) as pool:
        for outcomes in pool.map(lambda job: _guarded(job[0], job[1], clock), jobs):
            yield from outcomes


def _guarded(name: str, check: Callable[[], list[Outcome]], clock: Clock | None) -> list[Outcome]:
    if clock is not None and clock.left() == 0:
        return [Outcome(f"{name}: no time left", float("inf"), 0.0)]
    try:
        return check()
    except Exception as error:  # whatever one check meets, the others are made
        return [Outcome(f"{name}: {type(error).__name__}: {error}"[:500], float("inf"), 0.0)]


def _label(form: str, case: Case) -> str:
    counted = "" if case.kv_lengths is None else f" of {case.kv_lengths}"
    return f"{form} {case.dtype} {case.shape}{counted}"


def _attention(backend: str, deterministic: bool) -> Callable[..., Any]:
    def attend(q: Any, k: Any, v: Any, kv_lengths: Any) -> tuple[jax.Array, jax.Array]:
        return flash_attention(
            q,
            k,
            v,
            kv_lengths=kv_lengths,
            backend=backend,
            deterministic=deterministic,
            return_lse=True,
        )

    return attend


def _chunked(q: Any, k: Any, v: Any, kv_lengths: Any) -> tuple[jax.Array, jax.Array]:
    """XLA's form for long keys, which goes backward from a rounded output as our kernels do."""
    chunk = min(1024, max(1, k.shape[1] // 2))
    return reference.attention(q, k, v, kv_lengths, q.shape[-1] ** -0.5, chunk=chunk)


def results(
    attend: Callable[..., Any], arguments: tuple[Any, ...], kv_lengths: Any, d_lse: Any
) -> dict[str, Float[Array, "..."]]:
    """The output, the log-sum-exp and the gradients of a call."""
    *qkv, d_out = arguments

    @jax.jit
    def both(q: Any, k: Any, v: Any, d_out: Any, d_lse: Any) -> dict[str, Any]:
        (out, lse), pull = jax.vjp(lambda *qkv: attend(*qkv, kv_lengths), q, k, v)
        # A row without a key has no finite log-sum-exp to differentiate.
        gradients = pull((d_out.astype(out.dtype), jnp.where(jnp.isfinite(lse), d_lse, 0.0)))
        return {"out": out, "lse": lse} | dict(zip(("dq", "dk", "dv"), gradients, strict=True))

    return both(*qkv, d_out, d_lse)


def poison(shape: Shape, dtype: jnp.dtype) -> None:
    """Fill with nan, and free, memory that the next results will likely be given.

    What a kernel forgets to write then shows.
    """
    arrays = [
        jnp.full((shape.batch, length, shape.heads, shape.head_dim), jnp.nan, dtype)
        for length in (shape.q_length, shape.q_length, shape.kv_length, shape.kv_length)
    ]
    jax.block_until_ready(arrays)


def _case(label: str, attend: Callable[..., Any], case: Case) -> list[Outcome]:
    dtype = jnp.dtype(case.dtype)
    arrays = draw(case.shape, dtype)
    arrays = arrays._replace(q=arrays.q * jnp.asarray(case.spread, dtype))
    lengths = None if case.kv_lengths is None else jnp.asarray(case.kv_lengths, jnp.int32)
    d_lse = jax.random.normal(jax.random.key(7), arrays.q.shape[:3])
    poison(case.shape, dtype)
    got = results(attend, arrays, lengths, d_lse)
    theirs = results(_chunked, arrays, lengths, d_lse)
    with jax.default_matmul_precision("highest"):
        floats = tuple(x.astype(jnp.float32) for x in arrays)
        wanted = results(_chunked, floats, lengths, d_lse)
    return list(_compared(label, got, theirs, wanted))


def _compared(label: str, got: Any, theirs: Any, wanted: Any) -> Iterator[Outcome]:
    for name, value in got.items():
        want = np.asarray(wanted[name], np.float32)
        mine, rival = (np.asarray(x, np.float32) for x in (value, theirs[name]))
        if name == "lse":
            empty = np.isneginf(want)
            if not (np.isneginf(mine) == empty).all():
                yield Outcome(f"{label} lse of rows without a key", float("inf"), 0.0)
            mine, rival, want = (np.where(empty, 0.0, x) for x in (mine, rival, want))
        least = 1e-5  # what float32 itself is good for
        limit = max(TIMES_XLA * relative(rival, want), least)
        yield Outcome(f"{label} {name}", relative(mine, want), limit)


def _long(form: str, attend: Callable[..., Any], shape: Shape) -> list[Outcome]:
    """All heads at full length, of which two are compared in every row with float32."""
    arrays = draw(shape, jnp.dtype(jnp.bfloat16))
    d_lse = jnp.zeros(arrays.q.shape[:3])
    poison(shape, arrays.q.dtype)
    everything = results(attend, arrays, None, d_lse)
    finite = all(bool(jnp.isfinite(x).all()) for x in everything.values())
    all_finite = Outcome(f"{form} {shape} not finite", 0.0 if finite else 1.0, 0.0)
    heads = jnp.asarray(sorted({0, shape.heads - 1}))
    got = {name: x[:, :, heads] for name, x in everything.items()}
    del everything
    some = tuple(x[:, :, heads] for x in arrays)
    theirs = results(_chunked, some, None, d_lse[:, :, heads])
    with jax.default_matmul_precision("highest"):
        floats = tuple(x.astype(jnp.float32) for x in some)
        wanted = results(_chunked, floats, None, d_lse[:, :, heads])
    return [all_finite, *_compared(f"{form} bfloat16 {shape}", got, theirs, wanted)]


def _same_bits(form: str, attend: Callable[..., Any]) -> list[Outcome]:
    arrays = draw(Shape(1, 1000, 1000, 4, 128), jnp.dtype(jnp.bfloat16))
    d_lse = jnp.ones(arrays.q.shape[:3])
    one, other = (results(attend, arrays, None, d_lse) for _ in range(2))
    differing = sum(int((one[name] != other[name]).sum()) for name in one)
    return [Outcome(f"{form} values that differ between two calls", float(differing), 0.0)]


def _eight_bits() -> list[Outcome]:
    shape = Shape(1, 1000, 1000, 2, 128)
    q, k, v, _ = draw(shape, jnp.dtype(jnp.bfloat16))
    got = flash_attention(q, k, v, backend="hopper_fp8")
    with jax.default_matmul_precision("highest"):
        q, k, v = (x.astype(jnp.float32) for x in (q, k, v))
        wanted, _ = _chunked(q, k, v, None)
    return [Outcome(f"hopper_fp8 {shape} out", relative(got, wanted), OF_8_BITS)]
