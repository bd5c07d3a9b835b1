"""What a torch `.pth` file holds, told without torch and without running anything in it.

Run as a program in a process of its own (`torch_zip.read_pickled` does): it prints JSON, either
{"tensors": {name: [dtype, shape, strides, offset]}} or {"refused": sentence}. Of the pickle only
the few names that a state dict of tensors needs are looked up; the tensors' bytes are not read,
only where they lie. Standard library only, so that it starts alone.

torch's zip format: `<root>/data.pkl`, a pickle of the dict, and `<root>/data/<key>`, a storage
each, uncompressed.
"""

import collections
import io
import json
import pickle
import resource
import struct
import sys
import zipfile
from typing import Any

STORAGES = {
    "FloatStorage": ("F32", 4),
    "HalfStorage": ("F16", 2),
    "BFloat16Storage": ("BF16", 2),
    "DoubleStorage": ("F64", 8),
    "LongStorage": ("I64", 8),
    "IntStorage": ("I32", 4),
    "ShortStorage": ("I16", 2),
    "CharStorage": ("I8", 1),
    "ByteStorage": ("U8", 1),
    "BoolStorage": ("BOOL", 1),
}
MOST_PICKLE_BYTES = 64 << 20
MOST_MEMORY_BYTES = 2 << 30
MOST_SECONDS = 60


class Refused(Exception):
    """The file is not what it should be; the message says why."""


class Fixed:
    """What a pickle may make and not change: its BUILD instruction is refused."""

    __slots__ = ()

    def __setstate__(self, _: Any) -> None:
        """Refuse."""
        raise Refused("its pickle changes what it has made")


class Storage(Fixed):
    """A storage in the archive: its items' type, how many, and the file's offset of the first."""

    __slots__ = ("dtype", "item_bytes", "items", "offset")

    def __init__(self, dtype: str, item_bytes: int, items: int, offset: int) -> None:
        self.dtype, self.item_bytes, self.items, self.offset = dtype, item_bytes, items, offset


class Tensor(Fixed):
    """Stands where the pickle asks for `torch._utils._rebuild_tensor_v2`; reads nothing."""

    __slots__ = ("row",)

    def __init__(self, storage: Any, offset: Any, shape: Any, strides: Any, *_: Any) -> None:
        whole = (offset, *shape, *strides)
        if not isinstance(storage, Storage) or len(shape) != len(strides):
            raise Refused("it holds a tensor without a storage")
        if not all(type(number) is int and number >= 0 for number in whole):
            raise Refused("it holds a tensor of negative or odd extents")
        last = offset + sum((n - 1) * stride for n, stride in zip(shape, strides, strict=True))
        if offset > storage.items or (0 not in shape and last >= storage.items):
            raise Refused("it holds a tensor that reaches outside its storage")
        self.row = [
            storage.dtype, list(shape), list(strides), storage.offset + offset * storage.item_bytes,
        ]  # fmt: skip


class Reader(pickle.Unpickler):
    """An unpickler that knows a state dict's few names and refuses all others."""

    def __init__(self, text: bytes, storage_of: Any) -> None:
        super().__init__(io.BytesIO(text))
        self._storage_of = storage_of

    def find_class(self, module: str, name: str) -> Any:
        """Return what a permitted name stands for; Refused for any other."""
        if (module, name) == ("collections", "OrderedDict"):
            return collections.OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return Tensor
        if module == "torch" and name in STORAGES:
            return STORAGES[name]
        raise Refused(f"its pickle asks for {module}.{name}, which weights do not need")

    def persistent_load(self, pid: Any) -> Storage:
        """Return the storage that a persistent id names."""
        if not isinstance(pid, tuple) or len(pid) != 5 or pid[0] != "storage":
            raise Refused("its pickle refers to something other than a storage")
        _, kind, key, _, items = pid
        if kind not in STORAGES.values() or type(items) is not int or items < 0:
            raise Refused("its pickle refers to a storage of an odd kind")
        return self._storage_of(kind, str(key), items)


def list_tensors(path: str) -> dict[str, list[Any]]:
    """Return {name: [dtype, shape, strides, offset in the file]}; Refused where it is not sound."""
    try:
        archive = zipfile.ZipFile(path)
    except zipfile.BadZipFile:
        raise Refused(
            "it is truncated, or not a file that torch.save wrote (1.6 or later)"
        ) from None
    with archive, open(path, "rb") as stream:
        entries = {info.filename: info for info in archive.infolist()}
        pickles = [name for name in entries if name.endswith("/data.pkl") and name.count("/") == 1]
        if len(pickles) != 1:
            raise Refused("it is no file that torch.save wrote: there is no data.pkl in it")
        root = pickles[0].removesuffix("data.pkl")
        if entries[pickles[0]].file_size > MOST_PICKLE_BYTES:
            raise Refused("its data.pkl is too large for a list of tensors")
        order = archive.read(root + "byteorder") if root + "byteorder" in entries else b"little"
        if order != b"little":
            raise Refused("its bytes are not in little-endian order")

        def storage_of(kind: tuple[str, int], key: str, items: int) -> Storage:
            info = entries.get(f"{root}data/{key}")
            if info is None or info.file_size != items * kind[1]:
                raise Refused(f"its storage {key} is missing or of another size")
            return Storage(*kind, items, data_offset(stream, info))

        content = Reader(archive.read(pickles[0]), storage_of).load()
    if not isinstance(content, dict) or not content:
        raise Refused("it holds no dict of tensors")
    # dict's own: a pickle may have given an OrderedDict attributes, one called items too.
    tensors = list(dict.items(content))
    for name, tensor in tensors:
        if not isinstance(name, str) or not isinstance(tensor, Tensor):
            raise Refused(f"its entry {str(name)[:80]!r} is not a tensor")
    return {name: tensor.row for name, tensor in tensors}


def data_offset(stream: Any, info: zipfile.ZipInfo) -> int:
    """Return where an uncompressed entry's bytes begin in the archive."""
    if info.compress_type != zipfile.ZIP_STORED or info.flag_bits & 1:
        raise Refused(f"its entry {info.filename} is compressed or encrypted")
    stream.seek(info.header_offset)
    header = stream.read(30)
    if len(header) != 30 or header[:4] != b"PK\x03\x04":
        raise Refused(f"its entry {info.filename} has no header")
    start = info.header_offset + 30 + sum(struct.unpack("<HH", header[26:30]))
    if start + info.file_size > stream.seek(0, io.SEEK_END):
        raise Refused(f"its entry {info.filename} is truncated")
    return start


def main() -> None:
    """Print the listing of the file named on the command line."""
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY_BYTES, MOST_MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (MOST_SECONDS, MOST_SECONDS))
    answer: dict[str, Any]
    try:
        answer = {"tensors": list_tensors(sys.argv[1])}
    except Refused as refusal:
        answer = {"refused": str(refusal)}
    except (MemoryError, RecursionError):
        answer = {"refused": "its pickle is a bomb: it grows without end"}
    except Exception as error:  # whatever a forged pickle makes of itself is a refusal
        answer = {"refused": f"its pickle is not sound ({type(error).__name__})"}
    json.dump(answer, sys.stdout)


if __name__ == "__main__":
    main()
