"""The machinery of the attention benchmark, on a CPU with tiny shapes."""

import functools
import importlib
import json
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

SHAPES = ((1, 64, 64, 2, 16), (1, 40, 24, 1, 16))


@pytest.fixture
def benchmark(repository: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script as a module, with two tiny shapes."""
    monkeypatch.syspath_prepend(str(repository / "kernels" / "benchmarks"))
    module = importlib.import_module("attention")
    shapes = importlib.import_module("side_by_side.shapes")
    checks = importlib.import_module("side_by_side.checks")
    monkeypatch.setattr(module, "CPU", tuple(shapes.Shape(*sizes) for sizes in SHAPES))
    case = checks.Case(shapes.Shape(2, 20, 30, 1, 16), (30, 0))
    monkeypatch.setattr(checks, "SMALL", (case,))
    return module


def part(name: str) -> Any:
    return importlib.import_module(f"side_by_side.{name}")


def test_a_session_checks_times_and_writes(
    benchmark: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert benchmark.main(["--check", "--tune", "--out", str(tmp_path), "--minutes", "2"]) == 0
    said = capsys.readouterr().out
    assert "5 checks, 0 failed" in said and "tables of sizes are for Hopper GPUs" in said
    written = json.loads((tmp_path / "attention.json").read_text())
    assert [row["name"] for row in written["rows"]] == ["1×64×2×16"] * 2 + ["1×40→24×1×16"] * 2
    assert {row["rival"] for row in written["rows"]} == {"xla", "jax.nn"}
    assert all(row["forward_tflops"] > 0 and row["backward_tflops"] > 0 for row in written["rows"])
    assert all(row["error"] < 1e-5 and row["gradient_error"] < 1e-5 for row in written["rows"])
    assert written["ceiling"] > 0 and written["versions"]["jax"] == jax.__version__
    assert not written["missing"] and len(written["checks"]) == 5
    assert (tmp_path / "attention.png").read_bytes().startswith(b"\x89PNG")


def test_without_time_little_is_done(
    benchmark: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    assert benchmark.main(["--check", "--minutes", "0"]) == 1
    said = capsys.readouterr().out
    assert "no time left" in said and "1 checks, 1 failed" in said
    assert "1×64×2×16 and all after it: no time left" in said


def test_a_rival_that_raises_is_named_and_the_others_are_timed(benchmark: ModuleType) -> None:
    def refuse(arrays: Any) -> Any:
        raise RuntimeError("no such engine")

    shape = benchmark.CPU[0]
    report = part("report").Report("float32", "cpu")
    rivals = [part("rivals").Rival("broken", refuse), *part("rivals").ours("cpu")]
    clock = part("timing").Clock(1)
    benchmark._time_shape(shape, jnp.dtype(jnp.float32), rivals, clock, report)
    assert [row.rival for row in report.rows] == ["xla"]
    assert report.missing == {f"broken on {shape}": "RuntimeError: no such engine"}


def test_checks_see_what_is_wrong(benchmark: ModuleType) -> None:
    checks = part("checks")
    case = checks.SMALL[0]

    def outcomes(attend: Any) -> dict[str, bool]:
        found = checks._case("x", attend, case)
        return {outcome.name.split()[-1]: outcome.passed for outcome in found}

    assert all(outcomes(checks._chunked).values())

    def a_key_too_few(q: Any, k: Any, v: Any, lengths: Any) -> Any:
        return checks._chunked(q, k, v, lengths - 1)

    assert not any(outcomes(a_key_too_few).values())

    def unwritten(q: Any, k: Any, v: Any, lengths: Any) -> Any:
        out, lse = checks._chunked(q, k, v, lengths)
        return out.at[0, -1].set(jnp.nan), lse

    found = outcomes(unwritten)
    assert found["lse"] and not found["out"]


def test_what_is_checked_is_what_the_gpu_here_can_run(
    benchmark: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    checks = part("checks")
    for capability, name in (("9.0", "hopper"), ("8.0", "xla")):
        monkeypatch.setattr(checks, "gpu_capability", lambda _, found=capability: found)
        assert checks.to_check("gpu") == (name,)


def test_the_long_check_looks_at_two_heads(benchmark: ModuleType) -> None:
    checks = part("checks")
    attend = checks._attention("xla", False)
    found = checks._long("xla", attend, part("shapes").Shape(1, 48, 48, 3, 16))
    assert len(found) == 6 and all(outcome.passed for outcome in found)


def test_the_fastest_that_is_right_is_chosen(
    benchmark: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    tuning = part("tuning")
    # On a busy machine a clock may take either for the faster one.
    seconds = {"fast": 1.0, "slow": 2.0}
    monkeypatch.setattr(tuning.timing, "medians", lambda calls, *_: {n: seconds[n] for n in calls})

    def function(candidate: str) -> Any:
        if candidate == "broken":
            raise ValueError("does not fit\nin shared memory")

        def run(q: jax.Array) -> jax.Array:
            return q + (candidate == "wrong")

        return run

    candidates = ("fast", "slow", "broken", "wrong")
    shape = tuning.shortened(64, 99999, 16)
    assert shape.kv_length == tuning.LONGEST
    task = tuning.Task(
        "t", part("shapes").Shape(1, 64, 64, 2, 16), "slow", candidates, function, lambda a: a[:1]
    )
    choice = tuning.choose(task, part("timing").Clock(1))
    assert choice.best == "fast" and set(choice.seconds) == {"fast", "slow"}
    assert choice.failed["broken"] == "does not fit" and "away from" in choice.failed["wrong"]
    late = tuning.choose(task, part("timing").Clock(0))
    assert late.best == "slow" and "no time left" in late.failed["fast"]


def test_every_choice_is_kept_at_once_in_the_package_and_beside_the_report(
    benchmark: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tasks, tuning = importlib.import_module("side_by_side.hopper_tasks"), part("tuning")
    modules = (tasks.hopper_tiles, tasks.backward_tiles)
    before = [module.read_tiles() for module in modules]
    for module in modules:
        monkeypatch.setattr(module, "TABLE", tmp_path / module.TABLE.name)
        monkeypatch.setattr(module, "_shipped", functools.cache(module._shipped.__wrapped__))
    for module, table in zip(modules, before, strict=True):
        module.write_tiles(table)

    def last(task: Any, _: Any) -> Any:
        return tuning.Choice(task.candidates[-1], {}, {})

    monkeypatch.setattr(tasks, "choose", last)
    out = tmp_path / "out"
    names = []
    for name, choice in tasks.tune(part("timing").Clock(1), out):
        names.append(name)
        kept = [module.read_tiles(out / module.TABLE.name)
                for module in modules if (out / module.TABLE.name).exists()]  # fmt: skip
        assert str(choice.best) in str(kept), name
    assert len(names) == len(before[0]) + 3 * len(before[1])
    assert kept == [module.read_tiles() for module in modules]


def test_medians_are_of_interleaved_calls(benchmark: ModuleType) -> None:
    timing, order = part("timing"), []

    def call(name: str, seconds: float) -> Any:
        return timing.Call(lambda: (order.append(name), time.sleep(seconds)), lambda _: None)

    found = timing.medians({"a": call("a", 0.03), "b": call("b", 0.06)}, timing.Clock(1), 3)
    assert order[-6:] == ["a", "b"] * 3
    assert 0.03 <= found["a"] < found["b"]
    order.clear()
    timing.medians({"a": call("a", 0.03)}, timing.Clock(0), 3)
    assert len(order) == 3  # two to warm up, one that counts


def test_ratios_are_to_cudnn_at_the_same_shape(benchmark: ModuleType) -> None:
    report, shapes = part("report"), part("shapes")
    one, other = shapes.Shape(1, 64, 64, 2, 16), shapes.Shape(1, 32, 32, 2, 16)
    found = report.Report("bfloat16", "gpu")
    for shape, seconds in ((one, 2.0), (other, 8.0)):
        found.rows.append(report.Row(shape, part("rivals").CUDNN, seconds, 1.0, 0.0, 0.0))
    mine = report.Row(one, "hopper", 1.0, 4.0, 1e-3, None)
    found.rows.append(mine)
    assert found.ratio(mine) == 2.0 and found.ratio(mine, True) == 0.25
    assert "2.00" in report.line(found, mine)
    assert found.ratio(report.Row(shapes.WAN, "hopper", 1.0, None, 0.0, None)) is None
    assert shapes.WAN.work() == pytest.approx(4 * 40 * 75600**2 * 128)
    assert shapes.WAN.work(True) == pytest.approx(2.5 * shapes.WAN.work())


def test_sampled_rows_are_exact(benchmark: ModuleType) -> None:
    exactness, shapes = part("exactness"), part("shapes")
    arrays = shapes.draw(shapes.Shape(2, 70, 50, 3, 16), jnp.dtype(jnp.float32))
    rows = exactness.sampled_rows(70)
    assert 69 in rows and len(set(rows.tolist())) == len(rows)
    out, d_q = exactness.exact_rows(arrays, rows)
    wanted, pull = jax.vjp(lambda q: jax.nn.dot_product_attention(q, *arrays[1:3]), arrays.q)
    np.testing.assert_allclose(out, wanted[:, rows, :2], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(d_q, pull(arrays.d_out)[0][:, rows, :2], rtol=1e-4, atol=1e-5)
    assert exactness.relative(np.full(3, np.nan), np.ones(3)) == np.inf


def test_every_table_has_tasks_that_trace(benchmark: ModuleType) -> None:
    tasks = importlib.import_module("side_by_side.hopper_tasks")
    shapes = part("shapes")
    table = tasks.backward_tiles.read_tiles()
    shape, tiles = next(iter(table.items()))
    small = shapes.Shape(1, 256, 256, 2, shape.head_dim)
    arrays = jax.eval_shape(lambda: shapes.draw(small, jnp.dtype(jnp.bfloat16)))
    found = list(tasks._backward_tasks(shape, tiles))
    assert [task.current for task in found] == list(tiles)
    for task in found:
        assert task.current in task.candidates and task.shape.q_length <= 16384
        arguments = jax.eval_shape(task.arguments, arrays)
        results = jax.eval_shape(task.function(task.current), *arguments)
        assert all(x.shape == (1, 256, 2, shape.head_dim) for x in jax.tree.leaves(results))
    forward = tasks.hopper_tiles.read_tiles()
    for shape, tile in forward.items():
        task = tasks._forward_task("forward", shape, tile)
        assert task.candidates and task.shape.heads == 40
        if shape.head_dim == small.head_dim and shape.q_length == shape.kv_length:
            qkv = jax.eval_shape(task.arguments, arrays)
            out, _ = jax.eval_shape(task.function(tile), *qkv)
            assert out.shape == small_output(small)


def small_output(shape: Any) -> tuple[int, ...]:
    return shape.batch, shape.q_length, shape.heads, shape.head_dim
