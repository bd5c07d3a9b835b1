"""Checkpoints move between meshes and numbers of processes, bit for bit."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from animatrix_jax.checkpoint.manifest import read_manifest
from animatrix_jax.checkpoint.training import Checkpoints
from tests.animatrix_jax.checkpoint.states import on_device, same_bits, state_of


def start(repository: Path, devices: int, *arguments: object) -> subprocess.Popen[str]:
    flags = f"--xla_force_host_platform_device_count={devices}"
    script = Path(__file__).with_name("eight_devices.py")
    path = os.pathsep.join([str(repository), *sys.path])
    return subprocess.Popen(
        [sys.executable, str(script), *map(str, arguments)],
        env={**os.environ, "XLA_FLAGS": flags, "PYTHONPATH": path, "PJRT_NPROC": "32"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=repository,
    )


def finish(process: subprocess.Popen[str]) -> tuple[dict[str, Any], str]:
    """What a process found, and what it said on stderr."""
    try:
        out, said = process.communicate(timeout=240)
    finally:
        process.kill()
    assert process.returncode == 0, said
    return json.loads(out.splitlines()[-1]), said


@pytest.fixture(scope="module")
def moved(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict]:
    folder = tmp_path_factory.mktemp("moved")
    return folder, finish(start(repository, 8, folder))[0]


@pytest.fixture(scope="module")
def met(repository: Path, moved: tuple[Path, dict]) -> tuple[Path, list[tuple[dict, str]]]:
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    pair = [start(repository, 4, moved[0], process, port) for process in range(2)]
    try:
        return moved[0], [finish(process) for process in pair]
    finally:
        for process in pair:
            process.kill()


def test_every_mesh_restores_what_every_other_saved(moved: tuple[Path, dict]) -> None:
    assert len(moved[1]) == 48 and {name for name, same in moved[1].items() if not same} == set()


def test_two_processes_save_and_restore_together(met: tuple[Path, list]) -> None:
    for facts, _ in met[1]:
        assert facts["from one process"] and facts["two processes"]


def test_two_processes_pass_over_the_same_damage(met: tuple[Path, list]) -> None:
    (first, said), (second, silent) = met[1]
    assert first["damaged"] and second["damaged"]
    assert f"step 8 in {met[0]} is damaged and passed over: " in said
    assert "passed over" not in silent


def test_a_failure_of_one_process_is_a_failure_of_both(met: tuple[Path, list]) -> None:
    for facts, _ in met[1]:
        said = "the checkpoint of step 8 was not saved: "
        assert facts["failures"] == [f"{said}disk full", f"{said}input/output error"]
        assert facts["newest"] == 7 and facts["goes on"]


def test_each_process_hashes_its_share_of_the_files(met: tuple[Path, list]) -> None:
    shares = [set(facts["hashed"]) for facts, _ in met[1]]
    assert shares[0] & shares[1] == set() and abs(len(shares[0]) - len(shares[1])) <= 1
    assert shares[0] | shares[1] == read_manifest(met[0] / "9").files.keys()


def test_nobody_waits_for_ever(met: tuple[Path, list]) -> None:
    for facts, _ in met[1]:
        assert facts["late"].startswith("TimeoutError: the processes did not agree in time")
        assert facts["told"] == [1, "two"] and facts["refused"].endswith("Error: it cannot be")


def test_one_process_restores_what_two_saved(met: tuple[Path, list]) -> None:
    step, state = Checkpoints(met[0]).restore(on_device(0))
    assert step == 9 and same_bits(state, state_of(9))
    assert not [path for path in met[0].iterdir() if path.name.endswith(".tmp")]
