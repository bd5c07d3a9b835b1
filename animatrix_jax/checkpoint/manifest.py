"""What a checkpoint consists of, byte for byte: `manifest.json`, and what is found against it."""

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from animatrix_data.files import digest_file

MANIFEST = "manifest.json"
MOST_THREADS = 8


@dataclass(frozen=True)
class FileRecord:
    """One file as it was saved: 64 hexadecimal digits of SHA-256 and its size."""

    sha256: str
    bytes: int


@dataclass(frozen=True)
class Manifest:
    """One step's files by their paths inside its folder, and the metrics it was saved with."""

    step: int
    files: dict[str, FileRecord]
    metrics: dict[str, float]

    @property
    def digest(self) -> str:
        """The SHA-256 over everything that the manifest says."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()

    @property
    def bytes(self) -> int:
        """The size of all files."""
        return sum(record.bytes for record in self.files.values())

    def text(self) -> str:
        """Return the one text that stands for this manifest in its file."""
        content = asdict(self) | {"digest": self.digest}
        return json.dumps(content, indent=1, sort_keys=True) + "\n"


def step_folders(folder: Path) -> dict[int, Path]:
    """Return the folders of a run's steps by number, ascending; other names do not count."""
    if not folder.is_dir():
        return {}
    names = (path for path in folder.iterdir() if path.name.isdecimal() and path.is_dir())
    found = {int(path.name): path for path in names if path.name == str(int(path.name))}
    return dict(sorted(found.items()))


def file_sizes(folder: Path) -> dict[str, int]:
    """Return the sizes in bytes of a folder's files, its manifest left out."""
    return {n: path.lstat().st_size for n, path in list_files(folder).items() if n != MANIFEST}


def share_of(sizes: Mapping[str, int], share: int, shares: int) -> list[str]:
    """Return one of `shares` even parts of files; neighbours in size go to different ones."""
    return sorted(sizes, key=lambda name: (sizes[name], name))[share::shares]


def record_files(folder: Path, names: Iterable[str]) -> dict[str, FileRecord]:
    """Hash some files of a folder, several at a time, and make them outlast a power cut.

    Raises OSError where one cannot be read.
    """
    names = list(names)

    def record(name: str) -> FileRecord:
        path = folder / name
        sync(path)
        return FileRecord(digest_file(path), path.stat().st_size)

    return dict(zip(names, _side_by_side(record, names), strict=True))


def write_manifest(
    folder: Path,
    step: int,
    metrics: dict[str, float],
    records: Mapping[str, FileRecord] | None = None,
) -> Manifest:
    """Write a folder's manifest, and make it and all names outlast a power cut.

    `records` are those of all files; without them every file is hashed here. Raises OSError where
    a file cannot be read or has no record, or the manifest cannot be written.
    """
    sizes = file_sizes(folder)
    records = record_files(folder, sizes) if records is None else records
    if {name: record.bytes for name, record in records.items()} != sizes:
        raise OSError(f"the files of {folder} are not those that were hashed")
    manifest = Manifest(step, dict(sorted(records.items())), metrics)
    (folder / MANIFEST).write_text(manifest.text(), encoding="utf-8")
    sync(folder / MANIFEST)
    for root, _, _ in os.walk(folder):
        sync(Path(root))
    return manifest


def add_metrics(folder: Path, metrics: dict[str, float], temporary: Path) -> None:
    """Write the manifest of a step's folder anew with other metrics, whole or not at all.

    `temporary` is a folder beside it, which goes when all is done. Raises ValueError where the
    manifest is not whole, OSError where it cannot be written.
    """
    manifest = replace(read_manifest(folder), metrics=metrics)
    temporary.mkdir()
    try:
        (temporary / MANIFEST).write_text(manifest.text(), encoding="utf-8")
        sync(temporary / MANIFEST)
        os.replace(temporary / MANIFEST, folder / MANIFEST)
        sync(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def read_manifest(folder: Path) -> Manifest:
    """Return the manifest of a step's folder.

    Raises ValueError when there is none, or one bit of it is not as it was written.
    """
    try:
        raw = (folder / MANIFEST).read_bytes()
    except FileNotFoundError as error:
        raise ValueError(f"{MANIFEST} is missing") from error
    except OSError as error:
        raise ValueError(f"{MANIFEST} cannot be read: {error.strerror}") from error
    try:
        content = json.loads(raw)
        files = {name: FileRecord(**record) for name, record in content["files"].items()}
        manifest = Manifest(content["step"], files, content["metrics"])
        whole = manifest.text().encode() == raw
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        whole = False
    if not whole:
        raise ValueError(f"{MANIFEST} is damaged")
    return manifest


def find_damage(folder: Path, step: int, share: int = 0, shares: int = 1) -> list[str]:
    """Return what is wrong with a step's folder, a phrase a file, nothing where it is whole.

    Names and sizes are checked of all files, contents of those of one share (`share_of`).
    """
    try:
        manifest = read_manifest(folder)
    except ValueError as error:
        return [str(error)]
    found = list_files(folder)
    del found[MANIFEST]
    problems = [f"{name} is missing" for name in manifest.files.keys() - found.keys()]
    problems += [f"{name} does not belong to it" for name in found.keys() - manifest.files.keys()]
    if manifest.step != step:
        problems.append(f"{MANIFEST} is of step {manifest.step}")
    ready = []
    for name in sorted(found.keys() & manifest.files.keys()):
        size, saved = found[name].lstat().st_size, manifest.files[name].bytes
        if size != saved:
            problems.append(f"{name} has {size} bytes in place of {saved}")
        else:
            ready.append(name)
    mine = share_of({name: manifest.files[name].bytes for name in ready}, share, shares)

    def compare(name: str) -> str:
        try:
            same = digest_file(found[name]) == manifest.files[name].sha256
        except OSError as error:
            return f"{name} cannot be read: {error.strerror}"
        return "" if same else f"{name} has other bytes than were saved"

    problems += filter(None, _side_by_side(compare, mine))
    return sorted(problems)


def sum_up(problems: list[str]) -> str:
    """Return the first of some problems, and how many more there are."""
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    return problems[0] + more


def sync(path: Path) -> None:
    """Make a file, or the names in a folder, outlast a power cut."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def list_files(folder: Path) -> dict[str, Path]:
    """Return all files under a folder by their paths inside it; links are files."""
    found = {}
    for root, folders, names in os.walk(folder):
        links = [name for name in folders if os.path.islink(os.path.join(root, name))]
        for name in [*names, *links]:
            path = Path(root, name)
            found[path.relative_to(folder).as_posix()] = path
    return dict(sorted(found.items()))


def _side_by_side[Item, Result](
    work: Callable[[Item], Result], items: Iterable[Item]
) -> list[Result]:
    """Return what `work` makes of every item, in order; hashing lets go of the interpreter."""
    with ThreadPoolExecutor(min(MOST_THREADS, os.cpu_count() or 1)) as pool:
        return list(pool.map(work, items))


def finite(metrics: dict[str, Any]) -> dict[str, float]:
    """Return the metrics that are finite numbers, as floats."""
    numbers = {name: float(value) for name, value in metrics.items()}
    return {name: value for name, value in numbers.items() if abs(value) < float("inf")}
