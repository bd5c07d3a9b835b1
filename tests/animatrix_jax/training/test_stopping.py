"""Runs that are stopped, hang or lose a peer: real processes, of the toy."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from animatrix_jax.checkpoint.training import Checkpoints
from animatrix_jax.training.ledger import KINDS
from animatrix_jax.training.stopping import TERMINATED, Stopping
from animatrix_jax.training.telemetry import read_metrics

Start = Callable[..., subprocess.Popen[str]]
PATIENCE = 300
"""Seconds after which a process is given up, on a machine that does much else."""


@pytest.fixture
def start(repository: Path) -> Iterator[Start]:
    """Return a starter of toy processes, none of which outlives the test."""
    begun: list[subprocess.Popen[str]] = []

    def start(workdir: Path, *words: object, **variables: object) -> subprocess.Popen[str]:
        folders = (".", "data", "kernels")
        path = os.pathsep.join(str(repository / folder) for folder in folders)
        environment = {name: str(value) for name, value in variables.items()}
        process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "tests.animatrix_jax.training.toy_run",
                workdir,
                *map(str, words),
            ],
            env=os.environ | {"PYTHONPATH": path} | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        begun.append(process)
        return process

    yield start
    for process in begun:
        process.kill()
        process.communicate()


def two(start: Start, workdir: Path, *words: object) -> list[subprocess.Popen[str]]:
    """Start a run of two processes."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        place = f"localhost:{free.getsockname()[1]}"
    return [
        start(
            workdir,
            *words,
            ANIMATRIX_COORDINATOR=place,
            ANIMATRIX_PROCESSES=2,
            ANIMATRIX_PROCESS=number,
        )
        for number in range(2)
    ]


def wait_for_step(workdir: Path, step: int, *processes: subprocess.Popen[str]) -> None:
    """Return once a step is logged."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        assert all(process.poll() is None for process in processes)
        records = read_metrics(workdir) if (workdir / "metrics.jsonl").exists() else []
        if any(record["step"] >= step and "loss" in record for record in records):
            return
        time.sleep(0.05)
    raise TimeoutError(f"step {step} never came")


def finish(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=PATIENCE)
    return process.returncode, out, err


def goodput(record: dict[str, Any]) -> float:
    return sum(record[f"goodput_{kind}_seconds"] for kind in KINDS)


def test_the_first_signal_asks_and_the_second_stops_at_once() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with Stopping() as stopping:
        assert not stopping.reached(0)
        signal.raise_signal(signal.SIGTERM)
        assert stopping.reached(1)
        with pytest.raises(SystemExit) as ended:
            stopping.end()
        assert ended.value.code == TERMINATED == 143
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGTERM) == before
    with Stopping() as stopping:
        stopping.end()
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            stopping.end()


def test_sigterm_leaves_a_checkpoint_and_time_adds_up_over_kill_and_restart(
    start: Start, tmp_path: Path
) -> None:
    first = time.time()
    killed = start(tmp_path, 1000, 0.02)
    wait_for_step(tmp_path, 25, killed)
    killed.kill()
    assert finish(killed)[0] == -signal.SIGKILL
    stopped = start(tmp_path, 1000, 0.02)
    wait_for_step(tmp_path, 65, stopped)
    stopped.send_signal(signal.SIGTERM)
    status, out, err = finish(stopped)
    assert status == TERMINATED and "stopping after this step, with a checkpoint" in err
    step = int(out.split()[-1])
    assert Checkpoints(tmp_path / "checkpoints").newest == step < 1000
    last = time.time()
    records = [r for r in read_metrics(tmp_path) if "wall_time" in r]
    begun = records[0]["wall_time"] - goodput(records[0])
    assert first <= begun and records[-1]["wall_time"] <= last
    for record in records:
        assert goodput(record) == pytest.approx(record["wall_time"] - begun, abs=1e-3)
    resumed = next(i for i, r in enumerate(records) if r["goodput_lost_seconds"])
    assert records[resumed]["checkpoint"] >= 20
    kept = max(
        i for i in range(resumed) if records[i].get("checkpoint") == records[resumed]["step"]
    )
    lost = records[resumed]["wall_time"] - records[kept]["wall_time"]
    assert 0 < records[resumed]["goodput_lost_seconds"] <= lost
    assert (records[-1]["step"], records[-2]["checkpoint"]) == (step - 1, step)


def test_a_step_that_hangs_ends_the_process_with_every_stack(start: Start, tmp_path: Path) -> None:
    status, out, err = finish(start(tmp_path, 100, 0.0, 3))
    assert status == 1 and not out
    assert "Timeout" in err and "toy_run.py" in err and "in batches" in err


def test_sigterm_to_one_of_two_processes_stops_both_at_one_step(
    start: Start, tmp_path: Path
) -> None:
    processes = two(start, tmp_path, 5000, 0.05)
    wait_for_step(tmp_path, 10, *processes)
    processes[1].send_signal(signal.SIGTERM)
    ended = [finish(process) for process in processes]
    assert [status for status, _, _ in ended] == [TERMINATED, TERMINATED]
    told = [out.splitlines()[-1] for _, out, _ in ended]
    assert told[0] == told[1] and told[0].startswith("stopped at step")
    step = int(told[0].split()[-1])
    assert Checkpoints(tmp_path / "checkpoints").newest == step < 5000
    assert "Testing:" in ended[0][2] and "Testing:" not in ended[1][2]


def test_the_survivor_of_a_dead_peer_ends(start: Start, tmp_path: Path) -> None:
    processes = two(start, tmp_path, 5000, 0.05)
    wait_for_step(tmp_path, 2, *processes)
    processes[1].kill()
    status, out, _ = finish(processes[0])
    assert status != 0 and "stopped" not in out
