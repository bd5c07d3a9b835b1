"""Tensors in files, one at a time: safetensors headers read and checked, shards written whole.

Nothing is ever mapped or loaded as a whole file, so that memory is bounded by the largest tensor.
"""

import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import IO, Any

import ml_dtypes
import numpy as np

from animatrix_data.files import whole_file
from animatrix_jax.checkpoint.shards import find_shards

FLOATS: dict[str, Any] = {"F32": np.float32, "F16": np.float16, "BF16": ml_dtypes.bfloat16}
ITEM_BYTES = {
    "BOOL": 1, "U8": 1, "I8": 1, "F8_E4M3": 1, "F8_E5M2": 1, "U16": 2, "I16": 2, "F16": 2,
    "BF16": 2, "U32": 4, "I32": 4, "F32": 4, "U64": 8, "I64": 8, "F64": 8,
}  # fmt: skip
MOST_HEADER_BYTES = 100_000_000
BLOCK_BYTES = 64 << 20
TILE = 64
"""Columns copied at once where a tensor is turned: so many rows of the source stay in cache."""
METADATA = "__metadata__"

Advance = Callable[[int], None]


@dataclass(frozen=True)
class Stored:
    """A tensor's place: its bytes begin at `offset` of the file `path`.

    `strides` (in elements) is None where the tensor lies contiguous, the last dim fastest.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    path: Path
    offset: int
    strides: tuple[int, ...] | None = None

    @property
    def bytes(self) -> int:
        """Size of the tensor's values."""
        return prod(self.shape) * ITEM_BYTES[self.dtype]

    def read(self) -> np.ndarray:
        """Return the tensor (a float type); OSError where the file has become shorter."""
        kind = np.dtype(FLOATS[self.dtype])
        count = prod(self.shape)
        if self.strides is not None and count:
            count = 1 + sum((n - 1) * s for n, s in zip(self.shape, self.strides, strict=True))
        values = np.fromfile(self.path, np.uint8, count * kind.itemsize, offset=self.offset)
        if values.size != count * kind.itemsize:
            raise OSError(f"{self.path} ends inside tensor {self.name}")
        if self.strides is None:
            return values.view(kind).reshape(self.shape)
        strides = [stride * kind.itemsize for stride in self.strides]
        return np.lib.stride_tricks.as_strided(values.view(kind), self.shape, strides)


@dataclass(frozen=True)
class Planned:
    """A tensor to be written: `make` gives its values when its turn comes."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    make: Callable[[], np.ndarray]

    @property
    def bytes(self) -> int:
        """Size of the tensor's values."""
        return prod(self.shape) * ITEM_BYTES[self.dtype]


def read_header(path: Path) -> dict[str, Stored]:
    """Return a safetensors file's tensors by name.

    Raises ValueError in one sentence where the file is truncated or not a sound safetensors file.
    """
    header, start, size = _header(path)
    tensors, end = {}, start
    for name, entry in sorted(header.items(), key=lambda item: _begin(path, *item)):
        if name == METADATA:
            continue
        stored = _stored(path, name, entry, start)
        if stored.offset != end:
            raise ValueError(f"{path}: tensor {name} overlaps another or leaves a hole")
        tensors[name], end = stored, end + stored.bytes
    if end > size:
        raise ValueError(f"{path} is truncated: its header promises {end} bytes, it has {size}")
    if end < size:
        raise ValueError(f"{path} has {size - end} bytes after its last tensor")
    return tensors


def read_metadata(path: Path) -> dict[str, str]:
    """Return what a safetensors file says of itself besides its tensors; ValueError as above."""
    found = _header(path)[0].get(METADATA, {})
    return found if isinstance(found, dict) else {}


def _header(path: Path) -> tuple[dict[str, Any], int, int]:
    """Return the header, where the data begins and the file's size."""
    size = path.stat().st_size
    with path.open("rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        if size < 8 or length > MOST_HEADER_BYTES:
            raise ValueError(f"{path} is not a safetensors file")
        if 8 + length > size:
            raise ValueError(f"{path} is truncated inside its header")
        text = stream.read(length)
    try:
        header = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is not a safetensors file: its header is no JSON") from error
    if not isinstance(header, dict):
        raise ValueError(f"{path} is not a safetensors file: its header is no JSON object")
    return header, 8 + length, size


def _begin(path: Path, name: str, entry: Any) -> tuple[int, int]:
    if name == METADATA:
        return -1, -1
    try:
        begin, end = entry["data_offsets"]
        return int(begin), int(end)
    except (TypeError, KeyError, ValueError) as error:
        raise ValueError(f"{path}: tensor {name} has no sound place in the header") from error


def _stored(path: Path, name: str, entry: dict[str, Any], start: int) -> Stored:
    begin, end = _begin(path, name, entry)
    dtype, shape = entry.get("dtype"), entry.get("shape")
    if (
        dtype not in ITEM_BYTES
        or not isinstance(shape, list)
        or not all(isinstance(n, int) and n >= 0 for n in shape)
    ):
        raise ValueError(f"{path}: tensor {name} is of dtype {dtype!r} and shape {shape!r}")
    stored = Stored(name, dtype, tuple(shape), path, start + begin)
    if begin < 0 or end - begin != stored.bytes:
        raise ValueError(f"{path}: tensor {name} of {stored.bytes} bytes lies in {end - begin}")
    return stored


def read_shards(folder: Path, stem: str) -> dict[str, Stored]:
    """Return the tensors of all shards; {} where there are none.

    Raises ValueError where a shard is missing or unsound, a tensor is in two of them, or the
    folder's index says otherwise.
    """
    tensors: dict[str, Stored] = {}
    for path in find_shards(folder, stem):
        for name, stored in read_header(path).items():
            if name in tensors:
                raise ValueError(f"tensor {name} is in {tensors[name].path} and in {path}")
            tensors[name] = stored
    index = folder / f"{stem}.safetensors.index.json"
    if tensors and index.is_file():
        listed = read_json(index).get("weight_map")
        if not isinstance(listed, dict) or not all(isinstance(v, str) for v in listed.values()):
            raise ValueError(f"{index} has no weight_map from tensors to files")
        held = {name: stored.path.name for name, stored in tensors.items()}
        if odd := sorted(set(listed.items()) ^ set(held.items())):
            raise ValueError(f"{index} and the shards disagree on tensor {odd[0][0]}")
    return tensors


def same_bytes(left: Stored, right: Stored) -> bool:
    """Return whether two contiguous tensors have the same type, shape and bytes."""
    if (left.dtype, left.shape) != (right.dtype, right.shape):
        return False
    with left.path.open("rb") as one, right.path.open("rb") as other:
        one.seek(left.offset)
        other.seek(right.offset)
        starts = range(0, left.bytes, BLOCK_BYTES)
        sizes = [min(BLOCK_BYTES, left.bytes - start) for start in starts]
        return all(one.read(size) == other.read(size) for size in sizes)


def read_json(path: Path) -> dict[str, Any]:
    """Return a JSON object; ValueError in one sentence where the file holds none."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is not JSON: {error}") from error
    if not isinstance(content, dict):
        raise ValueError(f"{path} does not hold a JSON object")
    return content


def into_shards(tensors: Iterable[Planned], most_bytes: int) -> list[list[Planned]]:
    """Cut tensors, in their order, into shards of at most `most_bytes` (or of one tensor)."""
    shards: list[list[Planned]] = [[]]
    filled = 0
    for tensor in tensors:
        if shards[-1] and filled + tensor.bytes > most_bytes:
            shards.append([])
            filled = 0
        shards[-1].append(tensor)
        filled += tensor.bytes
    return shards


def write_safetensors(
    path: Path, tensors: Sequence[Planned], metadata: dict[str, str], advance: Advance
) -> None:
    """Write a safetensors file, whole or not at all; `advance` hears of each tensor's bytes.

    Raises OSError, naming the file, where it cannot be written.
    """
    # The widest types stand first, so that every tensor is aligned to its items.
    ordered = sorted(tensors, key=lambda tensor: -ITEM_BYTES[tensor.dtype])
    header: dict[str, Any] = {METADATA: metadata} if metadata else {}
    end = 0
    for tensor in ordered:
        begin, end = end, end + tensor.bytes
        header[tensor.name] = {
            "dtype": tensor.dtype, "shape": list(tensor.shape), "data_offsets": [begin, end],
        }  # fmt: skip
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with named_errors(path), whole_file(path) as temporary, temporary.open("wb") as stream:
        stream.write(len(text).to_bytes(8, "little") + text)
        for tensor in ordered:
            for block in blocks(tensor):
                stream.write(block)
            advance(tensor.bytes)
        settle(stream)


def blocks(tensor: Planned) -> Iterator[memoryview]:
    """Yield a tensor's bytes piece by piece, so that no second copy of it is ever whole."""
    array = tensor.make()
    kind = np.dtype(FLOATS[tensor.dtype])
    assert array.shape == tensor.shape and array.dtype == kind, tensor.name
    if array.flags.c_contiguous:
        yield array.reshape(-1).view(np.uint8).data
        return
    rows = max(1, BLOCK_BYTES // max(1, array[0].nbytes))
    for start in range(0, len(array), rows):
        piece = _contiguous(array[start : start + rows])
        yield piece.reshape(-1).view(np.uint8).data


def _contiguous(array: np.ndarray) -> np.ndarray:
    """Return a contiguous copy, made column by column of tiles: three times NumPy's own speed."""
    copy = np.empty(array.shape, array.dtype)
    for start in range(0, array.shape[-1], TILE):
        copy[..., start : start + TILE] = array[..., start : start + TILE]
    return copy


def settle(stream: IO[bytes]) -> None:
    """Bring what was written to the disk: a resumed conversion trusts whole files."""
    stream.flush()
    os.fsync(stream.fileno())


@contextmanager
def named_errors(path: Path) -> Iterator[None]:
    """Give an OSError of the body that names no file the name `path`."""
    try:
        yield
    except OSError as error:
        if error.filename is None and error.errno is not None:
            raise type(error)(error.errno, error.strerror, str(path)) from error
        raise
