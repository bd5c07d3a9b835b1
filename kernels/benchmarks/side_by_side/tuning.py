"""Times every size that a kernel may take, and keeps the fastest that is right in its table."""

import functools
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

from side_by_side import timing
from side_by_side.exactness import relative
from side_by_side.shapes import Arrays, Shape, draw

LONGEST = 16384
"""Lengths at which sizes are timed: beyond, the best ones hardly depend on it."""

COMPILERS = 8
"""Candidates that are compiled at one time."""

SAME = 2e-2
"""Relative distance between the results of two candidates that are both right."""

REPEATS = 3


@dataclass(frozen=True)
class Task:
    """One choice: what may be taken, what is now, and a function of arrays for a candidate."""

    name: str
    shape: Shape
    current: Any
    candidates: Sequence[Any]
    function: Callable[[Any], Callable[..., Any]]
    arguments: Callable[[Arrays], tuple[Any, ...]]


@dataclass(frozen=True)
class Choice:
    """What a task ended with: the fastest candidate, and the seconds of each that ran."""

    best: Any
    seconds: dict[str, float]
    failed: dict[str, str]


def shortened(q_length: int, kv_length: int, head_dim: int) -> Shape:
    """The shape at which sizes for some lengths are timed."""
    return Shape(1, min(q_length, LONGEST), min(kv_length, LONGEST), 40, head_dim)


def choose(task: Task, clock: timing.Clock) -> Choice:
    """Time the candidates of a task, the present one first; those the clock forbids are left out.

    A candidate that does not compile, or whose result is another than the present one's, is named
    and not taken.
    """
    arguments = task.arguments(draw(task.shape, jnp.dtype(jnp.bfloat16)))
    order = [task.current, *(c for c in task.candidates if c != task.current)]
    failed: dict[str, str] = {}
    calls: dict[str, timing.Call] = {}
    named = {str(candidate): candidate for candidate in order}
    wanted = None
    for candidate, compiled in _compiled(task, order, arguments, clock):
        if isinstance(compiled, Exception):
            failed[str(candidate)] = _first_line(compiled)
            continue
        result = jax.block_until_ready(compiled(*arguments))
        wanted = result if wanted is None else wanted
        distance = max(map(relative, jax.tree.leaves(result), jax.tree.leaves(wanted)))
        if not distance < SAME:
            failed[str(candidate)] = f"its result is {distance:.2g} away from the present one's"
            continue
        start = functools.partial(compiled, *arguments)
        calls[str(candidate)] = timing.Call(start, jax.block_until_ready)
    seconds = timing.medians(calls, clock, REPEATS) if calls else {}
    best = named[min(seconds, key=lambda name: seconds[name])] if seconds else task.current
    return Choice(best, seconds, failed)


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]


def _compiled(
    task: Task, order: Sequence[Any], arguments: tuple[Any, ...], clock: timing.Clock
) -> Iterator[tuple[Any, Any]]:
    """Candidates with their compiled function, or the exception that stood in the way."""

    def build(candidate: Any) -> Any:
        if candidate is not order[0] and clock.left() == 0:
            return TimeoutError("there was no time left to compile it")
        try:
            return jax.jit(task.function(candidate)).lower(*arguments).compile()
        except Exception as error:
            return error

    with ThreadPoolExecutor(COMPILERS) as pool:
        yield from zip(order, pool.map(build, order), strict=True)
