"""Rules: both ways, every byte."""

import ml_dtypes
import numpy as np
import pytest

from animatrix_jax.convert.rules import Rule, expand, to_foreign, to_ours

FORMS = [
    ((5, 3), "o i -> i o", {}, (3, 5)),
    ((4, 2, 3, 1, 1), "o i t 1 1 -> (t i) o", {"t": 3}, (6, 4)),
    ((4, 3, 1, 2, 2), "o c t h w -> (t h w c) o", {"t": 1, "h": 2, "w": 2}, (12, 4)),
    ((7, 1, 1, 1), "c 1 1 1 -> c", {}, (7,)),
    ((2, 3), "... -> ...", {}, (2, 3)),
]


@pytest.mark.parametrize(("shape", "form", "sizes", "wanted"), FORMS)
@pytest.mark.parametrize("dtype", [np.float32, ml_dtypes.bfloat16])
def test_there_and_back_is_byte_identical(shape, form, sizes, wanted, dtype) -> None:
    rule = Rule("a", "b", "c", form, sizes)
    tensor = np.random.default_rng(0).normal(size=shape).astype(dtype)
    ours = rule.to_ours(tensor)
    assert ours.shape == wanted and ours.dtype == dtype
    back = rule.to_foreign(ours)
    assert back.shape == shape and back.tobytes() == tensor.tobytes()


def test_layers_are_written_out_and_names_checked() -> None:
    rules = expand([Rule("x.{i}.k", "b.{i}.w", None, "o i -> i o"), Rule("y", "z", "z")], 2)
    assert [rule.wan for rule in rules] == ["b.0.w", "b.1.w", "z"]
    tensors = {"b.0.w": np.ones((2, 3)), "b.1.w": np.zeros((2, 3)), "z": np.arange(4.0)}
    ours = to_ours(rules, "wan", tensors)
    assert ours["x.1.k"].shape == (3, 2) and set(ours) == {"x.0.k", "x.1.k", "y"}
    assert to_foreign(rules, "wan", ours).keys() == tensors.keys()
    assert to_ours(rules, "diffusers", {"z": np.arange(4.0)}).keys() == {"y"}
    with pytest.raises(ValueError, match=r"b\.1\.w is missing"):
        to_ours(rules, "wan", {"b.0.w": np.ones((2, 3)), "z": np.ones(4)})
    with pytest.raises(ValueError, match="extra is unknown"):
        to_ours(rules, "wan", {**tensors, "extra": np.ones(1)})
    with pytest.raises(ValueError, match="does not read as"):
        to_ours(rules, "wan", {**tensors, "b.0.w": np.ones(3)})
