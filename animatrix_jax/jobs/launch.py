"""`animatrix launch`: one small description becomes what a cluster starts; local ones also run.

The templates lie in `launch/` of a checkout, and in `animatrix_jax/launch/` once installed.
"""

import json
import os
import shlex
import signal
import subprocess
import sys
import threading
from pathlib import Path
from types import FrameType
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from animatrix_data.files import whole_file
from animatrix_jax.jobs.launch_description import Description, check_target, load_description

TEMPLATES = {
    "local": "local.sh.jinja",
    "slurm": "slurm.sh.jinja",
    "jobset": "jobset.yaml.jinja",
    "tpu_vm": "tpu_vm.sh.jinja",
    "xpk": "xpk.sh.jinja",
    "sky": "sky.yaml.jinja",
}
PORT = 8476
"""Where process 0 listens on a host of its own."""
GRACE_SECONDS = {"local": 15}
"""How long a survivor on this machine has to end, once another process has died."""
SAVE_SECONDS = 120
"""How long a cluster waits between SIGTERM and SIGKILL: the time to save."""


def run(
    description: str | Path, to: str, *, out: str | Path | None = None, start: bool = False
) -> str:
    """Renders the description for a target; with `start` also runs it, on this machine.

    The text goes to `out`, or to stdout; with `start` to `out` or the run's logs/launch.sh.
    Returns the text. Raises ValueError for a description that the target cannot start, OSError
    where a file cannot be read or written, SystemExit with the status of a started run that failed
    or was stopped.
    """
    described = load_description(description)
    if start and to != "local":
        raise ValueError(f"only local can be run from here: submit what is rendered for {to}")
    text = render(described, to)
    if start and out is None:
        out = Path(described.directory, described.workdir, "logs", "launch.sh")
    if out is None:
        print(text, end="")
        return text
    with whole_file(out) as temporary:
        temporary.write_text(text, encoding="utf-8")
    if start and (status := _start(Path(out))):
        raise SystemExit(status)
    return text


def render(description: Description, target: str) -> str:
    """What `target` starts: a shell script or a YAML document.

    Raises ValueError where the target cannot start what is described.
    """
    check_target(description, target)
    environment = Environment(
        loader=FileSystemLoader(template_folder()),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        comment_start_string="<#",  # bash counts an array by ${#…}
        comment_end_string="#>",
        autoescape=False,  # shell and YAML: every value is quoted by a filter
    )
    environment.filters |= {
        "shell": shlex.quote,
        "yaml": lambda text: json.dumps(text, ensure_ascii=False),
        # Kubernetes reads $(NAME) as a variable and $$ as one dollar.
        "kubernetes": lambda text: text.replace("$", "$$"),
    }
    processes = description.processes or description.machine.hosts
    values = {
        "processes": processes,
        "device_ids": _device_ids(description, processes),
        "pyxis_image": _pyxis_image(description.image),
        "resource": "google.com/tpu" if description.machine.kind == "tpu" else "nvidia.com/gpu",
        "port": PORT,
        "grace": GRACE_SECONDS.get(target, SAVE_SECONDS),
    }
    return environment.get_template(TEMPLATES[target]).render(run=description, **values)


def template_folder() -> Path:
    """Where the templates lie: beside the modules once installed, or at a checkout's root."""
    package = Path(__file__).resolve().parent.parent
    installed = package / "launch"
    return installed if installed.is_dir() else package.parent / "launch"


def _device_ids(description: Description, processes: int) -> list[str]:
    """Which GPUs of one machine each of several processes takes; [] where each takes all."""
    machine = description.machine
    if machine.kind != "gpu" or processes == machine.hosts:
        return []
    each = machine.devices // processes
    return [
        ",".join(str(first + index) for index in range(each))
        for first in range(0, each * processes, each)
    ]


def _pyxis_image(image: str) -> str:
    """An image as pyxis names it: REGISTRY#IMAGE, where the registry is a host."""
    registry, slash, rest = image.partition("/")
    is_host = "." in registry or ":" in registry or registry == "localhost"
    return f"{registry}#{rest}" if slash and registry and is_host else image


def _start(script: Path) -> int:
    """Runs a rendered script to its end, stopping it at a signal; returns its status."""
    here = os.path.dirname(sys.executable)
    environment = os.environ | {"PATH": f"{here}{os.pathsep}{os.environ.get('PATH', os.defpath)}"}
    gang: subprocess.Popen[bytes] | None = None
    asked = False

    def stop(number: int, frame: FrameType | None) -> None:
        nonlocal asked
        asked = True
        if gang is not None:
            gang.terminate()

    before: dict[signal.Signals, Any] = {}
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            if signal.getsignal(number) is not signal.SIG_IGN:
                before[number] = signal.signal(number, stop)
    try:
        # In a session of its own it gets the terminal's signals once, from here.
        gang = subprocess.Popen(["bash", script], env=environment, start_new_session=True)
        if asked:
            gang.terminate()
        return gang.wait()
    finally:
        for which, handler in before.items():
            signal.signal(which, handler)
