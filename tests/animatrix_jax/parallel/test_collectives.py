"""Collectives as the compilers write them."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from animatrix_jax.parallel.collectives import Collective, by_kind, collectives
from animatrix_jax.parallel.mesh import AXES

MESH: Any = SimpleNamespace(devices=np.empty((2, 1, 2, 2, 1)), axis_names=AXES, size=8)
NAMED = "mesh['expert'=2,'data'=1,'fsdp'=2,'context'=2,'tensor'=1]"


def read(line: str, computation: str = "main") -> list[Collective]:
    entry = f"ENTRY %{computation} (x: f32[4]) -> f32[4] {{\n  {line}\n}}"
    return list(collectives(entry, MESH))


@pytest.mark.parametrize(
    ("groups", "axes"),
    [
        ("{{0,1},{2,3},{4,5},{6,7}}", ("context",)),
        ("[4,2]<=[4,2]", ("context",)),
        ("[4,2]<=[2,4]T(1,0)", ("expert",)),
        (f"{NAMED} {{'fsdp'}}", ("fsdp",)),
        (f"{NAMED} {{'fsdp','context'}}", ("fsdp", "context")),
        (f"{NAMED} {{'expert'}}", ("expert",)),
        ("mesh['a'=8] {'a':(1)2}", ("expert",)),
        ("mesh['a'=8] {'a':(4)2}", ("context",)),
        ("mesh['a'=8] {'a':(1)2,'a':(4)2}", ("expert", "context")),
        ("mesh['a'=4,'b'=2] {'a'}", ("expert", "fsdp")),
    ],
)
def test_groups_are_read_in_every_form(groups: str, axes: tuple[str, ...]) -> None:
    (found,) = read(
        f"%a = f32[4,8]{{1,0}} all-gather(%x), replica_groups={groups}, dimensions={{0}}"
    )
    assert (found.kind, found.axes, found.bytes) == ("all-gather", axes, 128)


def test_what_a_start_returns_besides_its_result_is_not_counted() -> None:
    (found,) = read(
        "%p = (bf16[4]{0}, bf16[4]{0}, u32[], u32[]) collective-permute-start(%x), "
        "source_target_pairs={{0,1},{1,0}}"
    )
    assert (found.kind, found.axes, found.bytes) == ("collective-permute", ("context",), 8)
    (gathered,) = read("%g = (f32[2]{0}, f32[4]{0}) all-gather-start(%x), replica_groups={{0,1}}")
    assert gathered.bytes == 16
    (summed,) = read("%s = (f32[2]{0}, f32[4]{0}) all-reduce-start(%x, %y), replica_groups={{0,1}}")
    assert summed.bytes == 24


def test_an_all_reduce_of_which_a_part_is_kept_is_a_reduce_scatter() -> None:
    line = "%a = f32[64]{0} all-reduce(%x), replica_groups={{0,1,2,3},{4,5,6,7}}"
    (found,) = read(line, "all-reduce-scatter.4")
    assert (found.kind, found.bytes, found.elements) == ("reduce-scatter", 64, 16)
    assert by_kind([found, found]) == {"reduce-scatter": 128}


def test_one_that_runs_behind_several_others_counts_once() -> None:
    gather = "all-gather(%x), channel_id=7, replica_groups={{0,1}}, dimensions={0}"
    parts = "".join(
        f"%async_{n} (x: f32[4]) -> f32[8] {{\n  ROOT %g.{n} = f32[8]{{0}} {gather}\n}}\n"
        for n in range(3)
    )
    calls = "".join(f"  %f.{n} = f32[8]{{0}} fusion(%x), calls=%async_{n}\n" for n in range(3))
    text = f"{parts}ENTRY %main (x: f32[4]) -> f32[8] {{\n{calls}}}\n"
    assert [one.bytes for one in collectives(text, MESH)] == [32]
