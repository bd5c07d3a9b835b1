"""The fused kernels over eight devices: what one device computes, and nothing gathered."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="session")
def split(repository: Path) -> dict[str, Any]:
    """What `eight_devices` finds in a process of its own."""
    flags = "--xla_force_host_platform_device_count=8"
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("eight_devices.py"))],
        env={**os.environ, "XLA_FLAGS": flags, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
        cwd=repository,
    )
    assert done.returncode == 0, done.stderr
    facts: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return facts


def test_every_split_gives_what_one_device_gives(split: dict[str, Any]) -> None:
    assert {name for name, facts in split.items() if max(facts["errors"]) > 1e-6} == set()


def test_nothing_is_gathered(split: dict[str, Any]) -> None:
    gathers = ("all-gather", "all-to-all", "collective-permute")
    assert {n for n, facts in split.items() if any(facts[m] for m in gathers)} == set()


def test_only_factors_that_tokens_share_and_split_heads_are_summed(split: dict[str, Any]) -> None:
    summed = {name for name, facts in split.items() if facts["all-reduce"]}
    assert summed == {"rope by batch", "rope by token", "rope by head", "norm by token",
                      "gate by token"}  # fmt: skip
