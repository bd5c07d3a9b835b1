"""torch's `.pth` files, read and written without torch.

Reading: a child process of its own lists what the pickle names (`pickled.py`), and only that
list comes back; the tensors' bytes are then read where they lie.
"""

import json
import struct
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from math import prod
from pathlib import Path
from typing import Any

from animatrix_data.files import whole_file
from animatrix_jax.convert import pickled
from animatrix_jax.convert.tensors import Advance, Planned, Stored, blocks, named_errors, settle

ROOT = "archive"
ALIGNMENT = 64
MOST_EXTENT = 1 << 63
STORAGE_OF = {dtype: name for name, (dtype, _) in pickled.STORAGES.items()}


def read_pickled(path: Path) -> dict[str, Stored]:
    """Return a `.pth` file's tensors by name, weights only.

    Raises ValueError in one sentence where the file is truncated, asks for anything but tensors,
    or is no file of torch's; OSError where it cannot be read.
    """
    path.open("rb").close()
    command = [sys.executable, "-I", pickled.__file__, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    try:
        answer = json.loads(done.stdout)
    except (ValueError, RecursionError):
        answer = None
    match answer:
        case {"refused": str(reason)}:
            raise ValueError(f"{path} is refused: {reason}")
        case {"tensors": dict(rows)}:
            return {name: _stored(path, name, row) for name, row in rows.items()}
    raise ValueError(f"{path} is refused: its pickle broke the process that read it")


def _stored(path: Path, name: str, row: Any) -> Stored:
    """Return the tensor that a row of the listing tells; ValueError where it can be none."""
    match row:
        case [str(dtype), list(shape), list(strides), int(offset)] if (
            dtype in STORAGE_OF
            and len(shape) == len(strides)
            and all(type(n) is int and 0 <= n < MOST_EXTENT for n in (offset, *shape, *strides))
        ):
            contiguous = _strides(shape) == tuple(strides) or 0 in shape
            return Stored(
                name, dtype, tuple(shape), path, offset, None if contiguous else tuple(strides)
            )
    raise ValueError(f"{path} is refused: its entry {name[:80]!r} is not a tensor")


def write_pickled(path: Path, tensors: Sequence[Planned], advance: Advance) -> None:
    """Write tensors as torch.save would a dict of them, whole or not at all.

    torch.load(weights_only=True) reads it. Raises OSError, naming the file, where it cannot be
    written.
    """
    with named_errors(path), whole_file(path) as temporary, temporary.open("wb") as stream:
        with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
            archive.writestr(_entry("data.pkl"), _pickle(tensors))
            archive.writestr(_entry("byteorder"), b"little")
            for key, tensor in enumerate(tensors):
                entry = _entry(f"data/{key}")
                _align(entry, stream.tell())
                with archive.open(entry, "w", force_zip64=True) as data:
                    for block in blocks(tensor):
                        data.write(block)
                advance(tensor.bytes)
            archive.writestr(_entry("version"), b"3\n")
        settle(stream)


def _entry(name: str) -> zipfile.ZipInfo:
    return zipfile.ZipInfo(f"{ROOT}/{name}")


def _align(entry: zipfile.ZipInfo, place: int) -> None:
    """Pad an entry's header so that its data starts at a multiple of 64 bytes, as torch's does."""
    zip64_field, own_field = 20, 4
    start = place + 30 + len(entry.filename.encode()) + zip64_field + own_field
    padding = -start % ALIGNMENT
    entry.extra = b"FB" + struct.pack("<H", padding) + b"Z" * padding


def _pickle(tensors: Sequence[Planned]) -> bytes:
    """Return protocol 2 of OrderedDict(name = torch._utils._rebuild_tensor_v2(storage, …))."""
    empty_dict = b"ccollections\nOrderedDict\n)R"
    text = [b"\x80\x02", empty_dict, b"("]
    for key, tensor in enumerate(tensors):
        items = prod(tensor.shape)
        storage = STORAGE_OF[tensor.dtype].encode()
        text += [_text(tensor.name), b"ctorch._utils\n_rebuild_tensor_v2\n("]
        text += [b"(", _text("storage"), b"ctorch\n" + storage + b"\n", _text(str(key))]
        text += [_text("cpu"), _whole(items), b"tQ", _whole(0)]
        text += [_tuple(tensor.shape), _tuple(_strides(tensor.shape)), b"\x89", empty_dict, b"tR"]
    return b"".join([*text, b"u."])


def _text(value: str) -> bytes:
    encoded = value.encode()
    return b"X" + struct.pack("<I", len(encoded)) + encoded


def _whole(value: int) -> bytes:
    if value < 2**31:
        return b"J" + struct.pack("<i", value)
    encoded = value.to_bytes(9, "little", signed=True)
    return b"\x8a" + bytes([len(encoded)]) + encoded


def _tuple(values: Sequence[int]) -> bytes:
    return b"(" + b"".join(map(_whole, values)) + b"t"


def _strides(shape: Sequence[int]) -> tuple[int, ...]:
    return tuple(prod(shape[dim + 1 :]) for dim in range(len(shape)))
