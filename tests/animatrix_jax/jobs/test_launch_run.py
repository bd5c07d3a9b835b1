"""Rendered scripts at work: the local gang for real, the others with stand-in tools."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from animatrix_data.settings import build
from animatrix_jax.jobs import launch
from animatrix_jax.jobs.launch_description import Description

DEADLINE = 60

# A process of the gang. It tells what it was given; what it then does is its mode.
PROGRAM = """
import os, pathlib, signal, sys, time
mode, folder = sys.argv[1], pathlib.Path(sys.argv[2])
process = os.environ["ANIMATRIX_PROCESS"]
def stop(*_):
    print("saved", process)
    sys.exit(143)
if mode != "stubborn":
    signal.signal(signal.SIGTERM, stop)
else:
    signal.signal(signal.SIGTERM, lambda *_: (folder / f"asked_{process}").touch())
names = ("PROCESSES", "PROCESS", "COORDINATOR")
print("given", *(os.environ["ANIMATRIX_" + name] for name in names), os.environ.get("XLA_FLAGS"))
died = folder / "died"
if mode == "dies_once" and not died.exists() and process == "1":
    while not (folder / "ready_0").exists():
        time.sleep(0.02)
    died.touch()
    sys.exit(7)
if mode == "dies":
    sys.exit(7)
if mode == "prints_ids":
    print("ids", os.environ["JAX_LOCAL_DEVICE_IDS"])
if mode in ("waits", "stubborn") or (mode == "dies_once" and process == "0" and not died.exists()):
    (folder / f"ready_{process}").touch()
    while True:
        time.sleep(0.05)
print("done", process)
"""


def describe(folder: Path, mode: str, **more: Any) -> Path:
    """A description of two processes of that mode; its file."""
    program = folder / "program.py"
    program.write_text(PROGRAM)
    values = {
        "name": "gang",
        "workdir": str(folder / "run"),
        "accelerator": "cpu:3",
        "processes": 2,
        "command": [sys.executable, str(program), mode, str(folder)],
    } | more
    lines = [
        f"{key} = {str(value) if isinstance(value, int) else repr(value)}"
        for key, value in values.items()
    ]
    path = folder / "gang.toml"
    path.write_text("\n".join(lines) + "\n")
    return path


def logs(folder: Path) -> list[str]:
    return [(folder / "run" / "logs" / f"process_{index}.log").read_text() for index in (0, 1)]


def wait_for(*paths: Path) -> None:
    end = time.monotonic() + DEADLINE
    while not all(path.exists() for path in paths):
        assert time.monotonic() < end, f"no {paths}"
        time.sleep(0.02)


@contextlib.contextmanager
def started(path: Path) -> Iterator[subprocess.Popen[str]]:
    """`animatrix launch --to local --run` in a process of its own."""
    command = [
        sys.executable,
        "-m",
        "animatrix_jax.cli",
        "launch",
        str(path),
        "--to",
        "local",
        "--run",
    ]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def test_a_gang_in_which_one_dies_starts_again(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    launch.run(describe(tmp_path, "dies_once"), "local", start=True)
    first, second = (text.splitlines() for text in logs(tmp_path))
    given = [line.split() for line in (*first, *second) if line.startswith("given")]
    assert [words[1:3] for words in given] == [["2", "0"], ["2", "0"], ["2", "1"], ["2", "1"]]
    assert given[0][3] == given[2][3] and given[1][3] == given[3][3]
    assert all(words[-1] == "--xla_force_host_platform_device_count=3" for words in given)
    assert (first[-1], second[-1]) == ("done 0", "done 1")
    printed = capfd.readouterr()
    assert "done 0" in printed.out and "done 1" not in printed.out
    assert "process 1 ended with status 7" in printed.err and "restart 1 of 3" in printed.err


def test_a_gang_that_dies_too_often_is_given_up(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        launch.run(describe(tmp_path, "dies", max_restarts=1), "local", start=True)
    assert end.value.code == 7
    # The second to die may be stopped before it has said anything.
    assert max(text.count("given") for text in logs(tmp_path)) == 2
    assert "given up after 1 restarts" in capfd.readouterr().err


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_lets_all_save_and_nothing_starts_again(
    number: signal.Signals, tmp_path: Path
) -> None:
    with started(describe(tmp_path, "waits")) as process:
        wait_for(tmp_path / "ready_0", tmp_path / "ready_1")
        process.send_signal(number)
        out, err = process.communicate(timeout=DEADLINE)
    assert process.returncode == 143, err
    assert [text.splitlines()[-1] for text in logs(tmp_path)] == ["saved 0", "saved 1"]
    assert "saved 0" in out and "restart" not in err


def test_a_second_signal_kills(tmp_path: Path) -> None:
    with started(describe(tmp_path, "stubborn")) as process:
        wait_for(tmp_path / "ready_0", tmp_path / "ready_1")
        process.send_signal(signal.SIGTERM)
        wait_for(tmp_path / "asked_0", tmp_path / "asked_1")
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=DEADLINE)
    assert process.returncode == 137
    assert "killing all processes" in err


def test_the_wall_time_stops_a_gang(tmp_path: Path) -> None:
    path = describe(tmp_path, "waits", wall_hours=1)
    script = tmp_path / "gang.sh"
    text = launch.run(path, "local", out=script)
    script.write_text(text.replace("wall_seconds=3600", "wall_seconds=1"))
    done = subprocess.run(["bash", script], capture_output=True, timeout=DEADLINE)
    assert done.returncode == 143
    assert b"stopping" in done.stderr and b"restart" not in done.stderr


def test_processes_share_the_gpus_of_a_machine(tmp_path: Path) -> None:
    launch.run(describe(tmp_path, "prints_ids", accelerator="h100:4"), "local", start=True)
    assert [text.splitlines()[-2] for text in logs(tmp_path)] == ["ids 0,1", "ids 2,3"]


def stand_in(folder: Path, **tools: str) -> dict[str, str]:
    """An environment in which these tools are scripts that write down how they were called."""
    for name, body in (tools | {"sleep": "exec /bin/sleep 0.05"}).items():
        tool = folder / name
        log = f'[[ {name} == sleep ]] || echo "{name} $*" >>"{folder}/calls"'
        tool.write_text(f"#!/usr/bin/env bash\n{log}\n{body}\n")
        tool.chmod(0o755)
    return os.environ | {"PATH": f"{folder}:{os.environ['PATH']}", "SLURM_JOB_ID": "41"}


def submitted(folder: Path, environment: dict[str, str], target: str, **more: Any) -> Any:
    """Runs what is rendered for two nodes; its process."""
    values = {"name": "x", "command": ["work", "a b"], "max_restarts": 1} | more
    text = launch.render(build(Description, values, "description"), target)
    script = folder / "job.sh"
    script.write_text(text)
    return subprocess.Popen(["bash", script], env=environment, stderr=subprocess.PIPE, text=True)


SLURM = {"accelerator": "h100:8", "nodes": 2, "workdir": "/shared/x"}
ENDS = """
n=$(cat {folder}/count 2>/dev/null || echo 0); echo $((n + 1)) >{folder}/count
statuses=({statuses}); exit "${{statuses[n]}}"
"""


@pytest.mark.parametrize(
    ("statuses", "status", "steps"), [("7 0", 0, 2), ("7 9", 9, 2), ("143", 143, 1), ("0", 0, 1)]
)
def test_slurm_starts_a_dead_step_again(
    statuses: str, status: int, steps: int, tmp_path: Path
) -> None:
    environment = stand_in(tmp_path, srun=ENDS.format(folder=tmp_path, statuses=statuses))
    process = submitted(tmp_path, environment, "slurm", **SLURM)
    process.communicate(timeout=DEADLINE)
    assert process.returncode == status
    calls = (tmp_path / "calls").read_text().splitlines()
    assert calls == ["srun --kill-on-bad-exit=1 --cpu-bind=none work a b"] * steps


def test_slurm_saves_at_the_wall_time_and_queues_again(tmp_path: Path) -> None:
    wait = f"until [[ -e {tmp_path}/term ]]; do /bin/sleep 0.02; done"
    step = f"touch {tmp_path}/ready; {wait}; exit 143"
    environment = stand_in(tmp_path, srun=step, scancel=f"touch {tmp_path}/term", scontrol="")
    process = submitted(tmp_path, environment, "slurm", **SLURM)
    wait_for(tmp_path / "ready")
    process.send_signal(signal.SIGUSR1)
    process.communicate(timeout=DEADLINE)
    calls = (tmp_path / "calls").read_text().splitlines()
    assert calls[1:] == ["scancel --signal=TERM 41", "scontrol requeue 41"]
    assert process.returncode == 0


def test_a_tpu_is_asked_for_and_its_hosts_start_again(tmp_path: Path) -> None:
    tool = f"""
case "$*" in
    *describe*) [[ -e {tmp_path}/made ]] && echo ACTIVE ;;
    *create*) touch {tmp_path}/made ;;
    *ssh*) {ENDS.format(folder=tmp_path, statuses="1 0")} ;;
esac
exit 0
"""
    process = submitted(
        tmp_path, stand_in(tmp_path, gcloud=tool), "tpu_vm", accelerator="v5p:2x2x2",
        workdir="/storage/x", storage="gs://some-bucket", image="a/b:c", zone="z",
    )  # fmt: skip
    _, err = process.communicate(timeout=DEADLINE)
    assert process.returncode == 0, err
    assert "restart 1 of 1" in err
    calls = (tmp_path / "calls").read_text()
    assert calls.count("--type=v5p --topology=2x2x2") == 1
    assert calls.count("--worker=all") == 2 and "a/b:c work 'a b'" in calls
