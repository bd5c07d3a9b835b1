"""The fused kernels over eight devices: what one device computes, and nothing gathered."""

from typing import Any

import pytest

from tests.devices import on_eight_devices


@pytest.fixture(scope="session")
def split() -> dict[str, Any]:
    """What `eight_devices` finds in a process of its own."""
    return on_eight_devices("tests.kernels.fused.eight_devices", optimized=True)


def test_every_split_gives_what_one_device_gives(split: dict[str, Any]) -> None:
    assert {name for name, facts in split.items() if max(facts["errors"]) > 1e-6} == set()


def test_nothing_is_gathered(split: dict[str, Any]) -> None:
    gathers = ("all-gather", "all-to-all", "collective-permute")
    assert {n for n, facts in split.items() if any(facts[m] for m in gathers)} == set()


def test_only_factors_that_tokens_share_and_split_heads_are_summed(split: dict[str, Any]) -> None:
    summed = {name for name, facts in split.items() if facts["all-reduce"]}
    assert summed == {"rope by batch", "rope by token", "rope by head", "norm by token",
                      "gate by token"}  # fmt: skip
