"""A plan carried out: file by file, tensor by tensor, so that a kill costs one file at most."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

from animatrix_data.files import whole_file
from animatrix_data.progress import ticking
from animatrix_jax.convert.layouts import LAST_FILE, RECORD
from animatrix_jax.convert.plan import OutFile, Plan
from animatrix_jax.convert.tensors import named_errors, read_header, write_safetensors
from animatrix_jax.convert.torch_zip import read_pickled, write_pickled

MIB = 1 << 20
TEMPORARY = re.compile(r"\..+\.\d+\.tmp(\.[^.]*)?")
"""What `whole_file` calls a file while it is written."""


def carry_out(plan: Plan, out: Path, record: dict[str, Any]) -> int:
    """Write all of a plan into `out` and return how many files were there already.

    `record` is JSON that tells one conversion from another: `out` is gone on with where it holds
    the same. The folder is whole when its last file (`LAST_FILE`) is there. Raises ValueError
    where `out` holds something else, OSError where it cannot be written or has no room.
    """
    _claim(out, plan, record)
    finished = [file for file in plan.files if _is_finished(out, file)]
    waiting = [file for file in plan.files if file not in finished]
    _check_room(out, sum(file.bytes for file in waiting))
    with ticking("Converting, MiB", plan.bytes // MIB) as ticker:
        done = sum(file.bytes for file in finished)
        ticker.advance(done // MIB)
        for file in waiting:

            def advance(size: int, file: OutFile = file) -> None:
                nonlocal done
                before, done = done, done + size
                ticker.advance(done // MIB - before // MIB, file.path)

            write = write_pickled if file.path.endswith(".pth") else _write_safetensors(plan)
            write(out / file.path, file.tensors, advance)
    for name, origin in plan.copies.items():
        with named_errors(out / name), whole_file(out / name) as temporary:
            shutil.copyfile(origin, temporary)
    last = LAST_FILE[plan.layout]
    for name in [*(name for name in plan.documents if name != last), last]:
        text = json.dumps(plan.documents[name], indent=1, ensure_ascii=False) + "\n"
        with named_errors(out / name), whole_file(out / name) as temporary:
            temporary.write_text(text, encoding="utf-8")
    (out / RECORD).unlink()
    return len(finished)


def _write_safetensors(plan: Plan) -> Any:
    # transformers and diffusers read no file that does not name its tensors' framework.
    metadata = {} if plan.layout == "animatrix" else {"format": "pt"}

    def write(path: Path, tensors: Any, advance: Any) -> None:
        write_safetensors(path, tensors, metadata, advance)

    return write


def _claim(out: Path, plan: Plan, record: dict[str, Any]) -> None:
    """Write the record, or find it there; clear what a killed conversion left half-written."""
    text = json.dumps(record, indent=1, sort_keys=True)
    path = out / RECORD
    if path.is_file():
        if path.read_text(encoding="utf-8") != text:
            raise ValueError(
                f"{out} holds an unfinished conversion of another source or with other flags; "
                "repeat that one or give another folder"
            )
        names = (*(file.path for file in plan.files), *plan.copies, *plan.documents)
        for folder in {out, *((out / name).parent for name in names)}:
            for leftover in _leftovers(folder):
                leftover.unlink()
        return
    if out.exists() and not out.is_dir():
        raise ValueError(f"{out} is a file, not a folder")
    # A kill while the record was being written leaves its temporary file, and nothing else.
    leftovers = _leftovers(out)
    if out.is_dir() and len(leftovers) == len(list(out.iterdir())):
        for leftover in leftovers:
            leftover.unlink()
    elif out.is_dir():
        what = "a finished model" if (out / LAST_FILE[plan.layout]).is_file() else "other files"
        raise ValueError(f"{out} holds {what} already; give an empty or a new folder")
    with whole_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _leftovers(folder: Path) -> list[Path]:
    """Return the files in a folder that a killed conversion was writing."""
    paths = folder.iterdir() if folder.is_dir() else ()
    return [path for path in paths if path.is_file() and TEMPORARY.fullmatch(path.name)]


def _is_finished(out: Path, file: OutFile) -> bool:
    """Return whether a weight file is there with every tensor's name, type and shape."""
    path = out / file.path
    if not path.is_file():
        return False
    try:
        there = read_pickled(path) if path.suffix == ".pth" else read_header(path)
    except ValueError:
        return False
    wanted = {tensor.name: (tensor.dtype, tensor.shape) for tensor in file.tensors}
    return {name: (stored.dtype, stored.shape) for name, stored in there.items()} == wanted


def _check_room(out: Path, size: int) -> None:
    free = shutil.disk_usage(out).free
    if size > free:
        raise OSError(f"{out} needs {size / 1e9:.1f} GB more, the disk has {free / 1e9:.1f} GB")
