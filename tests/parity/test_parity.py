"""Our networks give what the public implementations gave, and give where torch is at hand."""

import numpy as np
import pytest

from tests.parity.case import Case, float32_bound, read_references, relative_l2
from tests.parity.comparisons import cases_of, module_of, networks
from tests.parity.weights import random_array, random_tensors

LIVE_BOUND = 1e-5
"""What torch may differ by from itself on another machine."""


@pytest.mark.parametrize("network", networks())
def test_every_case_is_within_its_bound(network: str) -> None:
    cases = cases_of(network)
    assert cases and not [case for case in cases if not case.holds]


@pytest.mark.parametrize("network", networks("torch_"))
def test_the_public_implementation_still_gives_the_stored_references(network: str) -> None:
    pytest.importorskip("torch")
    pytest.importorskip("diffusers")
    arrays, meta = module_of(network, "torch_").references()
    stored, stored_meta = read_references(network)
    assert arrays.keys() == stored.keys() and meta["shapes"] == stored_meta["shapes"]
    for name, array in arrays.items():
        assert relative_l2(array, stored[name]) <= LIVE_BOUND, name


def test_a_case_holds_only_within_its_bound() -> None:
    assert Case("n", "c", 1e-5, 1e-5).holds
    assert not Case("n", "c", 2e-5, 1e-5).holds and not Case("n", "c", float("nan"), 1.0).holds
    assert float32_bound(1e-7) == 1e-5 and float32_bound(1e-5) == 4e-5


def test_relative_errors_are_of_the_expected() -> None:
    assert relative_l2([3.0, 4.0], [3.0, 5.0]) == pytest.approx(1 / np.sqrt(34))
    with pytest.raises(ValueError, match=r"ours has shape \(2,\), theirs \(1,\)"):
        relative_l2([1.0, 2.0], [1.0])


def test_weights_depend_on_name_shape_and_seed_alone() -> None:
    shapes = {"a.weight": (64, 16), "a.bias": (64,), "norm.weight": (400,), "modulation": (1, 6, 9)}
    first = random_tensors(shapes, 0)
    alone = random_tensors({"a.bias": (64,)}, 0)
    np.testing.assert_array_equal(first["a.bias"], alone["a.bias"])
    assert (first["a.bias"] != random_tensors(shapes, 1)["a.bias"]).all()
    assert {t.dtype for t in first.values()} == {np.dtype(np.float32)}
    assert all(np.abs(t).min() > 0 for t in first.values())
    assert 0.6 < first["a.weight"].std() * 4 < 1.4
    assert abs(first["norm.weight"].mean() - 1) < 0.1 and first["norm.weight"].std() > 0.1
    # What both sides have drawn must stay what it is.
    assert random_array("x", (2,), 0).tolist() == pytest.approx([-0.50759798, -0.28832799])
