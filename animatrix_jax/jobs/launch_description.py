"""The description of a launch: one small TOML file, strict, the same for every target."""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from animatrix_data.settings import build, naming, near
from animatrix_jax.jobs.launch_machines import Machine, default_topology, parse_machine
from animatrix_jax.parallel.mesh import parse_mesh

TARGETS = ("local", "slurm", "jobset", "tpu_vm", "xpk", "sky")
MOUNT = "/storage"
"""Where a bucket is mounted on every host."""
OURS = (
    "ANIMATRIX_COORDINATOR", "ANIMATRIX_PROCESSES", "ANIMATRIX_PROCESS", "JAX_LOCAL_DEVICE_IDS",
)  # fmt: skip
NEEDED = {
    "jobset": ("image", "storage"),
    "tpu_vm": ("image", "storage", "zone"),
    "xpk": ("image", "storage", "cluster", "zone"),
}
XPK_PRIORITIES = ("very-low", "low", "medium", "high", "very-high")
NAME = re.compile("[a-z]([-a-z0-9]{0,38}[a-z0-9])?")
LABEL = re.compile("[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
IMAGE = re.compile(r"[A-Za-z0-9][\w.:/@+-]*", re.ASCII)
BUCKET = re.compile(r"(gs|s3)://[a-z0-9][a-z0-9._-]{1,61}[a-z0-9]")
VARIABLE = re.compile("[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True)
class Description:
    """What is started, on how many devices of which kind, and where it keeps what it writes.

    Attributes:
      name: lower-case letters, digits and hyphens, at most 40.
      workdir: folder of the run, in `storage` where that is said.
      accelerator: TPU:TOPOLOGY, GPU:NUMBER in a node, or cpu:NUMBER of devices a process.
      config: what `animatrix train --config` gets; or else
      command: the words of another command.
      mesh: what `animatrix train --mesh` gets; without it the config's own.
      settings: values of the config's settings, by key: where corpus and models are, above all.
      directory: folder that the command starts in.
      nodes: how many; None is one, or the hosts of a TPU's topology.
      processes: how many in all; None is one a node. Only local starts several on a node.
      image: container image, written as for `docker pull`.
      environment: more variables for every process.
      storage: a bucket, gs://NAME (mounted at /storage), or a folder that all nodes share.
      queue: SLURM partition, or Kueue's local queue.
      priority: SLURM's QOS, Kueue's priority class, or xpk's priority.
      spot: whether the cloud may take the machine away (tpu_vm, jobset, sky).
      zone: of the cloud.
      cluster: of xpk.
      max_restarts: how often the processes are started again after one has died.
      wall_hours: how long the run may take; None is as long as it takes.
    """

    name: str
    workdir: str
    accelerator: str
    config: str = ""
    command: tuple[str, ...] = ()
    mesh: str = ""
    settings: Mapping[str, str] = field(default_factory=dict)
    directory: str = ""
    nodes: int | None = None
    processes: int | None = None
    image: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    storage: str = ""
    queue: str = ""
    priority: str = ""
    spot: bool = False
    zone: str = ""
    cluster: str = ""
    max_restarts: int = 3
    wall_hours: float | None = None

    def __post_init__(self) -> None:
        """Raises ValueError for what no target can start."""
        self._check_texts()
        if bool(self.config) == bool(self.command):
            raise ValueError("exactly one of config and command must be given")
        if (self.mesh or self.settings) and not self.config:
            raise ValueError("mesh and settings go with config: another command says its own")
        if self.mesh:
            parse_mesh(self.mesh)
        for key in self.settings:
            if not all(part.isidentifier() for part in key.split(".")):
                raise ValueError(f"settings cannot have {key!r}: it is no key of a config")
        for key, least in (("nodes", 1), ("processes", 1), ("max_restarts", 0)):
            value = getattr(self, key)
            if value is not None and value < least:
                raise ValueError(f"{key} must be {least} or more, not {value}")
        if self.wall_hours is not None and not 1 / 60 <= self.wall_hours <= 24 * 365:
            raise ValueError(f"wall_hours must be from a minute to a year, not {self.wall_hours}")
        if self.storage and not self.bucket and not self.storage.startswith("/"):
            raise ValueError(
                f"storage must be a bucket, gs://NAME, or a whole path, /…, not {self.storage!r}"
            )
        root = PurePosixPath(self.mount)
        if self.storage and root not in (PurePosixPath(self.workdir), *_parents(self.workdir)):
            raise ValueError(
                f"workdir {self.workdir} is not in {root}, where storage is: another host would "
                "not find its checkpoints"
            )
        if self.machine.hosts * (self.processes or 1) > 100_000:
            raise ValueError("nodes and processes are more than any cluster has")

    def _check_texts(self) -> None:
        texts = {key: value for key, value in vars(self).items() if isinstance(value, str)}
        texts |= {f"command[{index}]": word for index, word in enumerate(self.command)}
        texts |= {f"settings.{key}": value for key, value in self.settings.items()}
        texts |= {f"environment.{key}": value for key, value in self.environment.items()}
        for key, text in texts.items():
            if not text.isprintable():
                raise ValueError(f"{key} has a line break or another character that is not printed")
        for key in self.environment:
            if not VARIABLE.fullmatch(key):
                raise ValueError(f"environment cannot have {key!r}: it is no name of a variable")
            if key in OURS:
                raise ValueError(f"environment cannot have {key}: the launcher sets it")
        if not NAME.fullmatch(self.name):
            raise ValueError(
                "name must be of lower-case letters, digits and hyphens, start with a letter and "
                f"have at most 40, not {self.name!r}"
            )
        if not self.workdir or "://" in self.workdir:
            raise ValueError(
                f"workdir must be a folder, not {self.workdir!r} (a bucket is mounted at {MOUNT})"
            )
        for key in ("queue", "priority", "zone", "cluster"):
            if texts[key] and not LABEL.fullmatch(texts[key]):
                raise ValueError(f"{key} cannot be {texts[key]!r}: it is no name")
        if self.image and not IMAGE.fullmatch(self.image):
            raise ValueError(f"image cannot be {self.image!r}: write it as for docker pull")
        if "://" in self.storage and not BUCKET.fullmatch(self.storage):
            raise ValueError(f"storage cannot be {self.storage!r}: a bucket is gs://NAME")

    @property
    def machine(self) -> Machine:
        """Hosts and devices."""
        return parse_machine(self.accelerator, self.nodes)

    @property
    def bucket(self) -> str:
        """The name of the bucket, or an empty text."""
        return self.storage.partition("://")[2]

    @property
    def mount(self) -> str:
        """Where every host sees the storage."""
        return MOUNT if self.bucket else self.storage

    @property
    def words(self) -> tuple[str, ...]:
        """The command, word by word."""
        train = ("animatrix", "train", "--config", self.config, "--workdir", self.workdir)
        said = [f"--config.settings.{key}={value}" for key, value in self.settings.items()]
        return self.command or (*train, *(("--mesh", self.mesh) if self.mesh else ()), *said)

    @property
    def wall_seconds(self) -> int:
        """The longest that the run may take, 0 for no bound."""
        return round((self.wall_hours or 0) * 3600)


def load_description(path: str | Path) -> Description:
    """The description in a TOML file.

    Raises:
      ValueError: it is no TOML, a key is unknown or missing, or the values cannot go together; the
        sentence names the file and what is near.
      OSError: the file cannot be read.
    """
    file = Path(path)
    if not file.is_file():
        siblings = (str(other) for other in file.parent.glob("*.toml"))
        raise FileNotFoundError(f"{path} is no description{near(str(path), siblings)}")
    with naming(path):
        try:
            values: dict[str, Any] = tomllib.loads(file.read_text(encoding="utf-8"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ValueError(f"this is no TOML: {error}") from error
        return build(Description, values, "description")


def check_target(description: Description, target: str) -> None:
    """Raises ValueError where `target` cannot start what is described."""
    machine = description.machine
    if target not in TARGETS:
        raise ValueError(f"there is no target {target!r}{near(target, TARGETS)}")
    for key in NEEDED.get(target, ()):
        if not getattr(description, key):
            raise ValueError(f"{target} needs {key}, which the description lacks")
    if target == "local":
        _check_local(description)
        return
    if machine.kind == "cpu":
        raise ValueError(f"{target} starts on GPUs or TPUs; cpu devices are for local")
    if description.processes not in (None, machine.hosts):
        raise ValueError(
            f"{target} starts one process a node, {machine.hosts} in all, not "
            f"{description.processes}: leave processes out"
        )
    if target == "slurm":
        _check_slurm(description)
    elif target == "sky":
        if description.storage and not description.bucket:
            raise ValueError("sky mounts a bucket, gs://NAME or s3://NAME, as storage, no folder")
        _check_sky(machine)
    elif not description.storage.startswith("gs://"):
        raise ValueError(f"{target} mounts a bucket, gs://NAME, as storage")
    if target == "tpu_vm" and machine.kind != "tpu":
        raise ValueError(f"tpu_vm starts on TPUs, not on {machine.name}")
    if target == "xpk":
        _check_xpk(description)
    elif target == "jobset" and description.wall_hours and not description.queue:
        raise ValueError("jobset needs queue for wall_hours: it is Kueue that ends the run")


def _check_local(description: Description) -> None:
    machine, processes = description.machine, description.processes or 1
    if machine.hosts > 1:
        raise ValueError(f"local starts on one machine, not on {machine.hosts} nodes")
    if description.bucket:
        raise ValueError("local mounts no bucket: storage can be a folder")
    if machine.kind == "gpu" and machine.devices % processes:
        raise ValueError(f"{processes} processes cannot share {machine.devices} GPUs evenly")
    if machine.kind == "tpu" and processes > 1:
        raise ValueError("the chips of one host belong to one process: leave processes out")


def _check_slurm(description: Description) -> None:
    if description.machine.kind != "gpu":
        raise ValueError(f"slurm starts on GPUs, not on {description.machine.name}")
    if description.bucket:
        raise ValueError("slurm mounts no bucket: storage is a folder that all nodes share")
    if description.image and not description.storage:
        raise ValueError("slurm needs storage with an image: a container sees nothing else")
    if description.image and set(",:") & set(description.storage):
        raise ValueError(
            f"storage {description.storage} cannot be mounted: it has a comma or colon"
        )


def _check_sky(machine: Machine) -> None:
    if machine.kind == "tpu" and (default := default_topology(machine)) != machine.topology:
        raise ValueError(
            f"sky asks for a number of chips alone and would get {default}, not {machine.topology}"
        )


def _check_xpk(description: Description) -> None:
    machine = description.machine
    if (machine.kind == "gpu" and not machine.card.xpk) or (
        machine.name == "v5e" and machine.hosts * machine.devices < 8
    ):
        raise ValueError(f"xpk has no {description.accelerator}")
    if description.wall_hours:
        raise ValueError("xpk has no wall time: leave wall_hours out")
    priority = description.priority
    if priority and priority not in XPK_PRIORITIES:
        raise ValueError(f"xpk has no priority {priority!r}{near(priority, XPK_PRIORITIES)}")
    texts = (*description.words, *description.environment.values(), description.directory)
    if any(set("'\"\\") & set(text) for text in texts):
        raise ValueError("xpk can carry neither quotes nor backslashes in a command or variable")


def _parents(path: str) -> tuple[PurePosixPath, ...]:
    """The folders above a path, none where it climbs back up with '..'."""
    parts = PurePosixPath(path)
    return () if ".." in parts.parts else tuple(parts.parents)
