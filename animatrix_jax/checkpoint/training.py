"""Training checkpoints: Orbax behind one door."""

import asyncio
import json
import logging
import os
import re
import secrets
import shutil
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import jax
import numpy as np
import orbax.checkpoint as ocp
from etils import epath

from animatrix_jax.checkpoint.manifest import (
    MANIFEST,
    FileRecord,
    add_metrics,
    file_sizes,
    find_damage,
    finite,
    read_manifest,
    record_files,
    share_of,
    step_folders,
    sum_up,
    sync,
    write_manifest,
)
from animatrix_jax.checkpoint.peers import TIMEOUT_SECONDS, Peers

UNFINISHED = re.compile(r"\.\d+\.[0-9a-f-]+\.tmp")
DATA_FILE_BYTES = 256 << 20


@dataclass(frozen=True)
class BestBy:
    """Which checkpoint is the best: the one of the lowest, or highest, value of a metric."""

    metric: str
    lower: bool = True


@contextmanager
def _orbax_quiet() -> Iterator[None]:
    """Keep off stderr what Orbax and TensorStore print of a failure: it is told in one sentence.

    Orbax logs a traceback for each of its threads; TensorStore's other writes then find the event
    loop closed, and each goes to `sys.unraisablehook`.
    """

    def elsewhere(record: logging.LogRecord) -> bool:
        return record.exc_info is None or f"{os.sep}orbax{os.sep}" not in record.pathname

    def hook(found: Any) -> None:
        if str(found.exc_value) != "Event loop is closed":
            before(found)

    log, before = logging.getLogger("absl"), sys.unraisablehook
    log.addFilter(elsewhere)
    sys.unraisablehook = hook
    try:
        yield
    finally:
        log.removeFilter(elsewhere)
        sys.unraisablehook = before


class Checkpoints:
    """The checkpoints of one run: `<folder>/<step>/`, each an Orbax folder with a manifest.

    The newest stays, the newest `keep` of those at every `cadence` steps, and the best by
    `keep_best`: a checkpoint between them, of a run that was stopped, displaces none. A step is
    written under a temporary name, its files are hashed into `manifest.json`, and one rename makes
    it visible: a visible step of ours is whole. Folders that killed runs left unfinished are
    removed at once. With several processes all make the same calls in the same order, on a folder
    that all see, and hash a share of the files each.
    """

    def __init__(
        self, folder: Path, keep: int = 2, keep_best: BestBy | None = None, *, cadence: int = 1
    ) -> None:
        if keep < 1:
            raise ValueError(f"at least one checkpoint must be kept, not {keep}")
        self.folder = folder.absolute()
        self.failures: list[str] = []
        self.blocked_seconds = 0.0
        self._keep, self._keep_best, self._cadence = keep, keep_best, cadence
        self._peers = Peers()
        self._calls = 0
        self._thread: threading.Thread | None = None
        # Large values go to files of this size, so that several are hashed side by side; the
        # float bits of a training state hardly compress.
        self._orbax = ocp.PyTreeCheckpointHandler(use_compression=False, use_zarr3=True)
        found, self._token = self._peers.tell("start", self._start)
        self._metrics: dict[int, dict[str, float]] = {int(step): said for step, said in found}
        self._damaged: set[int] = set()

    def _start(self) -> tuple[list[tuple[int, dict[str, float]]], str]:
        """Clear what killed runs left; return the steps there are, and a name for this run."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for path in self.folder.iterdir():
            if UNFINISHED.fullmatch(path.name):
                shutil.rmtree(path, ignore_errors=True)
        found: list[tuple[int, dict[str, float]]] = []
        for step, path in step_folders(self.folder).items():
            if not (path / MANIFEST).exists():
                _say(f"the checkpoint of step {step} in {self.folder} has no {MANIFEST}: "
                     "it does not count")  # fmt: skip
                continue
            try:
                found.append((step, read_manifest(path).metrics))
            except ValueError:
                # It is told of when it is wanted: a run must not start anew because of it.
                found.append((step, {}))
        return found, secrets.token_hex(4)

    @property
    def newest(self) -> int | None:
        """The newest step that is committed, None where there is none."""
        return self.newest_until(None)

    def newest_until(self, at_most: int | None) -> int | None:
        """Return the newest step that is committed and no later than `at_most` (None: of all)."""
        return max(self._until(at_most), default=None)

    def _until(self, at_most: int | None) -> list[int]:
        return [step for step in self._metrics if at_most is None or step <= at_most]

    @property
    def best(self) -> int | None:
        """The step that is best by `keep_best`, the newest of equals; None where none is known."""
        if self._keep_best is None:
            return None
        name, sign = self._keep_best.metric, 1 if self._keep_best.lower else -1
        known = [(sign * said[name], -step) for step, said in self._metrics.items() if name in said]
        return -min(known)[1] if known else None

    def save(self, step: int, state: Any, metrics: dict[str, float] | None = None) -> None:
        """Save a state whole; a step already saved is left alone, but gets metrics if it has none.

        The caller waits for the save before, and for the copy to the host; the rest goes on in
        the background, and the state may be donated at once. What fails is told on stderr and in
        `failures`, is never raised, and leaves the older checkpoints as they were.
        """
        began = time.perf_counter()
        self.wait()
        self._calls += 1
        said = finite(metrics or {})
        if step in self._metrics:
            if said and not self._metrics[step]:
                self._measure(step, said)
        else:
            copied = threading.Event()
            self._thread = threading.Thread(
                target=self._save,
                args=(step, state, said, copied),
                name=f"checkpoint-{step}",
            )
            self._thread.start()
            copied.wait()
        self.blocked_seconds += time.perf_counter() - began

    def metrics(self, step: int) -> dict[str, float]:
        """Return what a step was saved with; nothing for one that is not there."""
        return dict(self._metrics.get(step, {}))

    def wait(self) -> None:
        """Return when every save is committed or has failed."""
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def close(self) -> None:
        """Finish all saves."""
        self.wait()
        self._orbax.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def restore(self, like: Any, at_most: int | None = None) -> tuple[int, Any]:
        """Return the newest step that is whole and its state, placed as `like` says.

        With `at_most` it is that step or an earlier one. `like` is a state, or its shapes with
        shardings; the checkpoint may come from another mesh and another number of processes.
        Damaged steps are passed over, each told on stderr. Raises ValueError when no step is whole,
        or when the state does not fit `like`: the run was made by another config.
        """
        self.wait()
        self._calls += 1
        for step in sorted(self._until(at_most), reverse=True):
            problems = self._find_damage(step)
            if not problems:
                return step, self._load(step, like)
            self._metrics.pop(step)
            self._damaged.add(step)
            if self._peers.index == 0:
                _say(f"the checkpoint of step {step} in {self.folder} is damaged and passed over: "
                     f"{sum_up(problems)}")  # fmt: skip
        raise ValueError(f"there is no good checkpoint in {self.folder} to go on from")

    def _find_damage(self, step: int) -> list[str]:
        """Return what is wrong with a step; the processes share the files among them."""
        peers = self._peers
        mine = find_damage(self.folder / str(step), step, peers.index, peers.count)
        said = peers.gather(f"damage {self._calls} {step}", "\n".join(mine[:20]))
        return sorted({line for text in said for line in text.splitlines()})

    def _load(self, step: int, like: Any) -> Any:
        like = jax.tree.map(_placed, like)
        wanted = ocp.args.PyTreeRestore(
            item=like, restore_args=ocp.checkpoint_utils.construct_restore_args(like)
        )
        try:
            return self._orbax.restore(epath.Path(self.folder / str(step)), args=wanted)
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(
                f"the checkpoint of step {step} in {self.folder} does not fit "
                f"this config: start in another workdir or use the config that made it ({error})"
            ) from error

    @_orbax_quiet()
    def _save(
        self, step: int, state: Any, metrics: dict[str, float], copied: threading.Event
    ) -> None:
        """Write, agree, commit and clear away: the whole of a save, in its own thread."""
        temporary = self.folder / f".{step}.{self._token}-{self._calls}.tmp"
        problem = self._write(temporary, state, copied)
        try:
            _agreed(self._peers.gather(f"written {self._calls}", problem))
            records = self._hash(temporary)
            self._peers.tell(
                f"saved {self._calls}", lambda: self._commit(temporary, step, metrics, records)
            )
        except Exception as error:
            if self._peers.index == 0:
                shutil.rmtree(temporary, ignore_errors=True)
            self._tell_failure(f"the checkpoint of step {step} was not saved", error)
            return
        self._metrics[step] = metrics
        self._damaged.discard(step)
        self._retain(step)

    def _write(self, temporary: Path, state: Any, copied: threading.Event) -> str:
        """Write this process's part of a state; return what went wrong, "" where nothing did."""
        try:
            temporary.mkdir(exist_ok=True)
            item = jax.tree.map(_own, state)
            del state
            wanted = ocp.args.PyTreeSave(item, ocdbt_target_data_file_size=DATA_FILE_BYTES)
            writing = asyncio.run(self._orbax.async_save(epath.Path(temporary), args=wanted)) or []
        except Exception as error:
            return _reason(error)
        finally:
            copied.set()
        problem = ""
        for future in writing:
            try:
                future.result(timeout=TIMEOUT_SECONDS)
            except Exception as error:
                problem = problem or _reason(error)
        return problem

    def _hash(self, temporary: Path) -> dict[str, FileRecord]:
        """Return the records of a written step's files, which the processes share among them.

        Raises OSError in all of them where one cannot read its share.
        """

        def finalize() -> dict[str, int]:
            self._orbax.finalize(epath.Path(temporary))
            return file_sizes(temporary)

        peers, problem, mine = self._peers, "", {}
        sizes = peers.tell(f"finalized {self._calls}", finalize)
        try:
            mine = record_files(temporary, share_of(sizes, peers.index, peers.count))
        except Exception as error:
            problem = _reason(error)
        text = json.dumps([problem, {name: asdict(record) for name, record in mine.items()}])
        said = [json.loads(told) for told in peers.gather(f"hashed {self._calls}", text)]
        _agreed([problem for problem, _ in said])
        return {name: FileRecord(**record) for _, part in said for name, record in part.items()}

    def _commit(
        self, temporary: Path, step: int, metrics: dict[str, float], records: dict[str, FileRecord]
    ) -> None:
        """Make a written step visible under its number, whole, in place of a damaged one."""
        write_manifest(temporary, step, metrics, records)
        final = self.folder / str(step)
        if final.exists():
            self._remove(final)
        os.replace(temporary, final)
        sync(self.folder)

    def _measure(self, step: int, metrics: dict[str, float]) -> None:
        """Write metrics into the manifest of a saved step; it is replaced whole or not at all."""
        temporary = self.folder / f".{step}.{self._token}-{self._calls}.tmp"
        try:
            self._peers.tell(
                f"measured {self._calls}",
                lambda: add_metrics(self.folder / str(step), metrics, temporary),
            )
        except Exception as error:
            self._tell_failure(f"the checkpoint of step {step} did not get its numbers", error)
            return
        self._metrics[step] = metrics

    def _retain(self, newest: int) -> None:
        """Remove what is neither among the newest nor the best."""
        regular = sorted(step for step in self._metrics if step % self._cadence == 0)
        kept = {*regular[-self._keep :], max(self._metrics), self.best}
        gone = [step for step in self._metrics if step not in kept]
        gone += [step for step in self._damaged if step < newest]
        for step in gone:
            self._metrics.pop(step, None)
            self._damaged.discard(step)
            if self._peers.index == 0:
                self._remove(self.folder / str(step))

    def _remove(self, path: Path) -> None:
        """Remove a step's folder; it is never visible in part."""
        aside = self.folder / f".{path.name}.{secrets.token_hex(4)}.tmp"
        try:
            os.replace(path, aside)
        except OSError as error:
            _say(f"{path} cannot be removed: {_reason(error)}")
        shutil.rmtree(aside, ignore_errors=True)

    def _tell_failure(self, what: str, error: Exception) -> None:
        sentence = f"{what}: {_reason(error)}"
        self.failures.append(sentence)
        if self._peers.index == 0:
            _say(sentence)


def _agreed(problems: list[str]) -> None:
    """Raise OSError of the first problem that a process has, of all processes'."""
    for problem in filter(None, problems):
        raise OSError(problem)


def _own(leaf: Any) -> Any:
    """Return a leaf that nobody else can donate or write to before Orbax has copied it.

    Of device memory Orbax makes its own copy at once. Of host memory it would take a view.
    """
    if not isinstance(leaf, jax.Array):
        return np.array(leaf)
    devices: Any = leaf.sharding.device_set
    on_host = "host" in (leaf.sharding.memory_kind or "")
    if on_host or {device.platform for device in devices} == {"cpu"}:
        return jax.device_put(leaf, leaf.sharding, may_alias=False)
    return leaf


def _placed(leaf: Any) -> Any:
    """Return a leaf's shape with a sharding; without one it goes to this process's first device."""
    if not isinstance(leaf, jax.ShapeDtypeStruct) or leaf.sharding is not None:
        return leaf
    device = jax.local_devices()[0]
    return jax.ShapeDtypeStruct(
        leaf.shape, leaf.dtype, sharding=jax.sharding.SingleDeviceSharding(device)
    )


def _reason(error: BaseException) -> str:
    """Return an error as a phrase."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower() + (f" ({error.filename})" if error.filename else "")
    text = " ".join(str(error).split())
    # What TensorStore says of a failed write holds its path many times over.
    code = re.search(r"os_error_code='(\d+)'", text)
    return os.strerror(int(code[1])).lower() if code else text[:300] or type(error).__name__


def _say(sentence: str) -> None:
    print(sentence, file=sys.stderr, flush=True)
