"""What there is to tune on Hopper: the tables of the forward and of the backward kernels."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax.numpy as jnp

from animatrix_kernels.flash_attention import (
    hopper,
    hopper_backward_fused,
    hopper_backward_split,
    hopper_fp8,
    hopper_tiles,
)
from animatrix_kernels.flash_attention import hopper_backward_tiles as backward_tiles
from animatrix_kernels.flash_attention.backend import Saved
from animatrix_kernels.flash_attention.hopper_backward_parts import Inputs, prepare
from side_by_side.shapes import Arrays
from side_by_side.timing import Clock
from side_by_side.tuning import Choice, Task, choose, shortened


def tune(clock: Clock, folder: Path | None) -> Iterator[tuple[str, Choice]]:
    """Choose for every row of both tables, long shapes first.

    Each choice is written when it is made, into the package and under a folder, so that a session
    that is cut short, on a machine that is then given back, keeps what it has.
    """
    forward, backward = hopper_tiles.read_tiles(), backward_tiles.read_tiles()
    rows = len(forward) + len(backward)
    for done, shape in enumerate(_longest_first(forward)):
        name = f"forward {_label(shape)}"
        choice = choose(_forward_task(name, shape, forward[shape]), clock.share(1 / (rows - done)))
        forward[shape] = choice.best
        _write(hopper_tiles, forward, folder)
        yield name, choice
    rows = len(backward)
    for done, shape in enumerate(_longest_first(backward)):
        part = clock.share(1 / (rows - done))
        for which, task in enumerate(_backward_tasks(shape, backward[shape])):
            choice = choose(task, part.share(1 / (3 - which)))
            field = backward_tiles.Tiles._fields[which]
            backward[shape] = backward[shape]._replace(**{field: choice.best})
            _write(backward_tiles, backward, folder)
            yield task.name, choice


def _write(module: Any, table: dict[hopper_tiles.Shape, Any], folder: Path | None) -> None:
    module.write_tiles(table)
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        module.write_tiles(table, folder / module.TABLE.name)


def _longest_first(table: dict[hopper_tiles.Shape, Any]) -> list[hopper_tiles.Shape]:
    return sorted(table, key=lambda shape: -shape.q_length * shape.kv_length)


def _label(shape: hopper_tiles.Shape) -> str:
    return f"{shape.dtype} {shape.q_length}→{shape.kv_length}×{shape.head_dim}"


def _forward_task(name: str, shape: hopper_tiles.Shape, current: hopper_tiles.Tile) -> Task:
    dtype = jnp.dtype(shape.dtype)
    attend = hopper_fp8.forward if dtype.itemsize == 1 else hopper.forward
    scale = shape.head_dim**-0.5

    def function(tile: hopper_tiles.Tile) -> Any:
        return lambda q, k, v: attend(q, k, v, None, scale, tile=tile)

    return Task(
        name,
        shortened(shape.q_length, shape.kv_length, shape.head_dim),
        current,
        hopper_tiles.candidates(shape.head_dim, dtype),
        function,
        lambda arrays: tuple(arrays[:3]),
    )


def _backward_tasks(shape: hopper_tiles.Shape, current: backward_tiles.Tiles) -> Iterator[Task]:
    scale = shape.head_dim**-0.5
    everything = backward_tiles.candidates(shape.head_dim)
    kernels = (
        hopper_backward_split.query_gradient,
        hopper_backward_split.key_gradients,
        hopper_backward_fused.gradients,
    )

    def arguments(arrays: Arrays) -> tuple[Inputs]:
        q, k, v, d_out = arrays
        out, lse = hopper.forward(q, k, v, None, scale)
        return (prepare(Saved(q, k, v, None, out, lse), d_out, jnp.zeros_like(lse)),)

    for kernel, which in zip(kernels, backward_tiles.Tiles._fields, strict=True):

        def function(tile: Any, kernel: Any = kernel) -> Any:
            return lambda inputs: kernel(inputs, scale, tile)

        yield Task(
            f"backward {which} {_label(shape)}",
            shortened(shape.q_length, shape.kv_length, shape.head_dim),
            getattr(current, which),
            getattr(everything, which),
            function,
            arguments,
        )
