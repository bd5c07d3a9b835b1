import enum
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, is_dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ml_collections import ConfigDict, config_dict

from animatrix_data.settings import build, near


class Precision(enum.Enum):
    FULL = "float32"
    HALF = "bfloat16"


@dataclass(frozen=True)
class Optimizer:
    peak_lr: float
    betas: tuple[float, float] = (0.9, 0.99)
    schedule: Literal["cosine", "constant"] = "cosine"
    clip: float | None = None


@dataclass(frozen=True)
class Run:
    steps: int
    optimizer: Optimizer
    name: str = "run"
    folder: Path = Path("runs")
    widths: tuple[int, ...] = ()
    stages: tuple[Optimizer, ...] = ()
    rates: dict[str, float] = field(default_factory=dict)
    precision: Precision = Precision.FULL
    shuffle: bool = True
    extra: Any = None
    names: Sequence[str] = ()
    rank: int | Literal["full"] = 8
    second: Optimizer | None = None
    act: Callable[[float], float] = abs

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise ValueError(f"steps must be positive, not {self.steps}")


def test_nested_config_becomes_frozen_dataclasses() -> None:
    config = ConfigDict(
        {
            "steps": 1e3,
            "optimizer": {"peak_lr": 1, "betas": [0.9, 0.95], "clip": None},
            "folder": "runs/x",
            "widths": [16, 32],
            "stages": [{"peak_lr": 0.1}, {"peak_lr": 0.2, "clip": 1}],
            "rates": {"hybrid": 1},
            "precision": "bfloat16",
            "extra": {"deep": [1, [2]]},
            "names": ["a"],
            "rank": "full",
            "second": {"peak_lr": 3.0},
        }
    )
    run = build(Run, config)
    assert run == Run(
        steps=1000,
        optimizer=Optimizer(1.0, (0.9, 0.95)),
        folder=Path("runs/x"),
        widths=(16, 32),
        stages=(Optimizer(0.1), Optimizer(0.2, clip=1.0)),
        rates={"hybrid": 1.0},
        precision=Precision.HALF,
        extra={"deep": (1, (2,))},
        names=("a",),
        rank="full",
        second=Optimizer(3.0),
    )
    assert type(run.steps) is int and type(run.optimizer.peak_lr) is float
    assert is_dataclass(run.second)


def test_references_and_placeholders_are_resolved() -> None:
    config = ConfigDict({"steps": 7, "optimizer": {"peak_lr": 0.5}})
    config.optimizer.clip = config_dict.placeholder(float)
    config.rank = config.get_ref("steps") * 2
    run = build(Run, config)
    assert run.rank == 14 and run.optimizer.clip is None


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"optimiser": {}}, "config has no key 'optimiser': did you mean optimizer?"),
        (
            {"optimizer": {"peak_rl": 1.0}},
            "config.optimizer has no key 'peak_rl': did you mean peak_lr?",
        ),
        ({"optimizer": {}}, "config.optimizer lacks the key 'peak_lr' (a number)"),
        ({"optimizer": 3}, "config.optimizer must be a group of settings, not 3"),
        ({"steps": "many"}, "config.steps must be a whole number, not 'many'"),
        ({"steps": 1.5}, "config.steps must be a whole number, not 1.5"),
        ({"steps": True}, "config.steps must be a whole number, not True"),
        ({"steps": float("inf")}, "config.steps must be a whole number, not inf"),
        ({"name": 3}, "config.name must be a text, not 3"),
        ({"shuffle": 1}, "config.shuffle must be true or false, not 1"),
        ({"folder": 1}, "config.folder must be a path, not 1"),
        ({"widths": "16"}, "config.widths must be a list, not '16'"),
        ({"widths": {"a": 1}}, "config.widths must be a list, not {'a': 1}"),
        ({"widths": [16, "x"]}, "config.widths[1] must be a whole number, not 'x'"),
        ({"optimizer": {"peak_lr": 1.0, "betas": (1.0,)}}, "betas must hold 2 values, not 1"),
        ({"stages": [{"peak_lr": None}]}, "config.stages[0].peak_lr must be a number, not None"),
        ({"rates": {"a": "b"}}, "config.rates.a must be a number, not 'b'"),
        ({"rates": []}, "config.rates must be a group of settings, not []"),
        ({"precision": "bfloat61"}, "config.precision cannot be 'bfloat61': did you mean bfloat16"),
        (
            {"optimizer": {"peak_lr": 1.0, "schedule": "cosin"}},
            "config.optimizer.schedule cannot be 'cosin': did you mean cosine?",
        ),
        (
            {"optimizer": {"peak_lr": 1.0, "clip": "x"}},
            "config.optimizer.clip must be a number, not 'x'",
        ),
        ({"rank": "ful"}, "config.rank must be a whole number or one of full, not 'ful'"),
        ({"act": 3}, "config.act must be of type Callable, not 3"),
        ({"steps": 0}, "config: steps must be positive, not 0"),
    ],
)
def test_a_mistake_is_one_sentence_with_its_place(change: dict[str, Any], sentence: str) -> None:
    config = {"steps": 10, "optimizer": {"peak_lr": 1.0}} | change
    with pytest.raises(ValueError) as caught:
        build(Run, config)
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing_required_group() -> None:
    with pytest.raises(ValueError, match=r"^here lacks the key 'optimizer' \(a group of settings"):
        build(Run, {"steps": 1}, where="here")


def test_numpy_numbers_are_numbers() -> None:
    run = build(Run, {"steps": np.int64(3), "optimizer": {"peak_lr": np.float32(0.5)}})
    assert (run.steps, run.optimizer.peak_lr) == (3, 0.5)


@given(
    st.floats(allow_nan=False),
    st.integers(1, 10**12),
    st.lists(st.integers()),
    st.dictionaries(st.text(), st.floats(allow_nan=False, allow_infinity=False)),
)
def test_values_survive(rate: float, steps: int, widths: list[int], rates: dict) -> None:
    run = build(
        Run, {"steps": steps, "optimizer": {"peak_lr": rate}, "widths": widths, "rates": rates}
    )
    assert (run.steps, run.optimizer.peak_lr) == (steps, rate)
    assert (run.widths, run.rates) == (tuple(widths), rates)


def test_near_names_are_named() -> None:
    assert near("generat", ["generate", "draw"]) == ": did you mean generate?"
    assert near("zzz", ["b", "a"]) == ": there are a, b"
    assert near("zzz", map(str, range(30))).endswith(" and more")
    assert near("zzz", []) == ""
