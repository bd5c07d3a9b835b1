"""Files that are whole or absent: write under a temporary name, then rename."""

import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def _temporary(path: Path) -> Path:
    # The suffix stays last: encoders and image writers choose their format by it.
    return path.with_name(f".{path.stem}.{os.getpid()}.tmp{path.suffix}")


@contextmanager
def whole_file(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary path beside `path`; rename it to `path` on success, remove it on failure.

    Parent folders are made. Raises OSError when the folder cannot be written.
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = _temporary(target)
    try:
        yield temporary
        os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def whole_folder(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a fresh temporary folder beside `path`; rename it to `path` on success.

    An existing empty folder is replaced. Raises ValueError when `path` exists and is not an
    empty folder, and leaves nothing behind when the body fails.
    """
    target = Path(path)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise ValueError(f"{target} already exists and is not an empty folder.")
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = _temporary(target)
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir()
    try:
        yield temporary
        if target.is_dir():
            target.rmdir()
        os.replace(temporary, target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def check_writable(path: str | os.PathLike[str]) -> None:
    """Raise OSError unless a file or folder can be made at `path`; nothing of the trial stays.

    Where the parent folders are not there yet, the nearest one that is stands for them.
    """
    target = Path(path).absolute()
    parent = target.parent
    while not parent.exists():
        parent = parent.parent
    trial = parent / _temporary(target).name
    try:
        trial.open("x").close()
        trial.unlink()
    except OSError as error:
        raise type(error)(error.errno, error.strerror, str(parent)) from error


def digest_file(path: str | os.PathLike[str]) -> str:
    """Return the SHA-256 of a file as 64 hexadecimal digits. Raises OSError if unreadable."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
