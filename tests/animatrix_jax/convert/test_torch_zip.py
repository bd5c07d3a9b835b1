"""`torch_saved.pth` was written by torch.save (2.13): six tensors, two of them not contiguous."""

import collections
import os
import pickle
import zipfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis.extra import numpy as hnp

from animatrix_jax.convert.tensors import FLOATS, Planned
from animatrix_jax.convert.torch_zip import read_pickled, write_pickled

SAVED = Path(__file__).parent / "torch_saved.pth"
DTYPE_NAMES = {np.dtype(kind): name for name, kind in FLOATS.items()}


def planned(name: str, array: np.ndarray) -> Planned:
    return Planned(name, DTYPE_NAMES[array.dtype], array.shape, lambda: array)


def write(path: Path, arrays: dict[str, np.ndarray]) -> None:
    write_pickled(path, [planned(n, a) for n, a in arrays.items()], lambda _: None)


def test_what_torch_saved_is_read() -> None:
    tensors = read_pickled(SAVED)
    base = np.arange(24, dtype=np.float32).reshape(4, 6)
    assert tensors["encoder.conv.weight"].shape == (3, 2, 1, 3, 3)
    assert tensors["encoder.conv.bias"].dtype == "BF16"
    np.testing.assert_array_equal(tensors["transposed"].read(), base.T)
    np.testing.assert_array_equal(tensors["window"].read(), base[1:3, 2:5])
    np.testing.assert_array_equal(tensors["half"].read(), np.array([[1.5, -2.0]], np.float16))
    assert tensors["scalar"].read() == np.float32(3.25)
    weights = tensors["encoder.conv.weight"].read()
    assert np.isfinite(weights).all() and 0.5 < weights.std() < 2


def test_what_is_written_is_read_and_aligned(tmp_path: Path) -> None:
    arrays = {
        "a.weight": np.arange(12, dtype=np.float32).reshape(3, 4),
        "a.turned": np.arange(6).reshape(2, 3).astype(ml_dtypes.bfloat16).T,
        "scalar": np.float32(3).reshape(()),
        "empty": np.ones((2, 0, 3), np.float16),
    }
    write(tmp_path / "x.pth", arrays)
    tensors = read_pickled(tmp_path / "x.pth")
    assert list(tensors) == list(arrays)
    for name, array in arrays.items():
        assert tensors[name].offset % 64 == 0
        assert tensors[name].shape == array.shape
        assert tensors[name].read().tobytes() == array.tobytes()


@given(hnp.arrays(np.float32, hnp.array_shapes(min_dims=1, max_dims=3, max_side=3)))
def test_the_pickle_is_what_the_standard_library_reads(
    tmp_path_factory: pytest.TempPathFactory, array: np.ndarray
) -> None:
    path = tmp_path_factory.mktemp("zip") / "x.pth"
    write(path, {"name": array})

    class Plain(pickle.Unpickler):
        def find_class(self, module: str, name: str) -> Any:
            if module == "collections":
                return collections.OrderedDict
            return lambda *arguments: arguments if name.startswith("_rebuild") else name

        def persistent_load(self, pid: Any) -> Any:
            return pid[2:]

    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        with archive.open("archive/data.pkl") as stream:
            content = Plain(stream).load()
    strides = tuple(stride // 4 for stride in array.strides)
    expected = (("0", "cpu", array.size), 0, array.shape, strides, False, {})
    assert content == {"name": expected}


def forge(
    path: Path, content: bytes, storages: dict[str, bytes] | None = None, **options: Any
) -> Path:
    with zipfile.ZipFile(path, "w", **options) as archive:
        archive.writestr("archive/data.pkl", content)
        for key, data in (storages or {}).items():
            archive.writestr(f"archive/data/{key}", data)
    return path


class Command:
    """A pickle of it runs a command where it is loaded without care."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> Any:
        return os.system, (f"touch {self.mark}",)


def test_a_malicious_pickle_is_refused_and_does_nothing(tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    evil = pickle.dumps({"weight": Command(mark)}, protocol=2)
    pickle.loads(evil)
    assert mark.exists()
    mark.unlink()
    with pytest.raises(
        ValueError, match=r"refused: its pickle asks for posix.system, which"
    ) as error:
        read_pickled(forge(tmp_path / "evil.pth", evil))
    assert "\n" not in str(error.value) and not mark.exists()


@pytest.mark.parametrize(
    "name", ["builtins eval", "torch load", "torch._utils _rebuild_tensor", "collections deque"]
)
def test_other_names_than_a_state_dict_needs_are_refused(tmp_path: Path, name: str) -> None:
    module, attribute = name.split()
    text = f"\x80\x02c{module}\n{attribute}\n.".encode("latin-1")
    with pytest.raises(ValueError, match=f"asks for {module}.{attribute}"):
        read_pickled(forge(tmp_path / "x.pth", text))


def tensor_text(items: int, size: int, stride: int = 1, offset: int = 0) -> bytes:
    return (
        b"\x80\x02}X\x01\x00\x00\x00wctorch._utils\n_rebuild_tensor_v2\n("
        b"(X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpu"
        + f"I{items}\ntQI{offset}\n(I{size}\nt(I{stride}\nt".encode()
        + b"\x89}tRs."
    )


def built(state: bytes) -> bytes:
    """A state dict whose tensor is given attributes, as the BUILD instruction does."""
    return tensor_text(2, 2).removesuffix(b"s.") + state + b"s."


def test_an_attribute_of_the_dict_itself_changes_nothing(tmp_path: Path) -> None:
    tensor = tensor_text(2, 2).removeprefix(b"\x80\x02}")
    ordered = b"\x80\x02ccollections\nOrderedDict\n"
    text = ordered + b")R" + tensor[:-1] + b"}X\x05\x00\x00\x00items" + ordered[2:] + b"sb."
    found = read_pickled(forge(tmp_path / "x.pth", text, {"0": bytes(8)}))
    assert found.keys() == {"w"}


@pytest.mark.parametrize(
    "answer",
    [
        "{", "3", "[]", "{}", '{"refused": 3}', '{"tensors": 5}', '{"tensors": {"w": 5}}',
        '{"tensors": {"w": ["F32", 5, [1], 0]}}', '{"tensors": {"w": ["F32", [2], [], 0]}}',
        '{"tensors": {"w": ["F31", [2], [1], 0]}}', '{"tensors": {"w": ["F32", [2], [1], "0"]}}',
        '{"tensors": {"w": ["F32", [-2], [1], 0]}}', '{"tensors": {"w": [[], [2], [1], 0]}}',
        '{"tensors": {"w": ["F32", [1e999], [1], 0]}}', "[" * 100_000,
    ],
)  # fmt: skip
def test_whatever_the_child_prints_is_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: str
) -> None:
    (tmp_path / "x.pth").write_bytes(b"")
    run = lambda *_, **__: SimpleNamespace(stdout=answer)  # noqa: E731
    monkeypatch.setattr("animatrix_jax.convert.torch_zip.subprocess.run", run)
    with pytest.raises(ValueError, match=r"x\.pth is refused: its (pickle broke|entry 'w' is not)"):
        read_pickled(tmp_path / "x.pth")


def test_a_forged_pickle_by_hand_is_read_where_it_is_sound(tmp_path: Path) -> None:
    path = forge(tmp_path / "x.pth", tensor_text(2, 2), {"0": np.ones(2, np.float32).tobytes()})
    np.testing.assert_array_equal(read_pickled(path)["w"].read(), np.ones(2, np.float32))


@pytest.mark.parametrize(
    ("text", "storages", "sentence"),
    [
        (tensor_text(2, 3), {"0": bytes(8)}, "reaches outside its storage"),
        (tensor_text(2, 2, stride=2), {"0": bytes(8)}, "reaches outside its storage"),
        (tensor_text(2, 1, offset=5), {"0": bytes(8)}, "reaches outside its storage"),
        (tensor_text(2, -2), {"0": bytes(8)}, "negative or odd extents"),
        (tensor_text(2, 2, offset=-1), {"0": bytes(8)}, "negative or odd extents"),
        (tensor_text(2, 2), {}, "storage 0 is missing or of another size"),
        (tensor_text(2, 2), {"0": bytes(4)}, "storage 0 is missing or of another size"),
        (pickle.dumps({"step": 3}, 2), {}, "entry 'step' is not a tensor"),
        (pickle.dumps([1], 2), {}, "holds no dict of tensors"),
        (built(b"}X\x03\x00\x00\x00rowI5\nsb"), {"0": bytes(8)}, "changes what it has made"),
        (built(b"N}X\x03\x00\x00\x00rowI5\ns\x86b"), {"0": bytes(8)}, "changes what it has made"),
        (tensor_text(2, 0, offset=3), {"0": bytes(8)}, "reaches outside its storage"),
        (b"\x80\x02}", {}, "its pickle is not sound"),
        (b"\x80\x02" + b"(" * 10 + b"\xff", {}, "its pickle is not sound"),
    ],
)
def test_unsound_pickles_are_refused_in_a_sentence(
    tmp_path: Path, text: bytes, storages: dict[str, bytes], sentence: str
) -> None:
    with pytest.raises(ValueError) as error:
        read_pickled(forge(tmp_path / "x.pth", text, storages))
    assert sentence in str(error.value) and "x.pth is refused" in str(error.value)


def test_a_truncated_or_compressed_file_is_refused(tmp_path: Path) -> None:
    whole = SAVED.read_bytes()
    (tmp_path / "cut.pth").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match=r"cut\.pth is refused: it is truncated"):
        read_pickled(tmp_path / "cut.pth")
    packed = forge(
        tmp_path / "packed.pth",
        tensor_text(2, 2),
        {"0": bytes(8)},
        compression=zipfile.ZIP_DEFLATED,
    )
    with pytest.raises(ValueError, match="compressed or encrypted"):
        read_pickled(packed)
    with pytest.raises(FileNotFoundError):
        read_pickled(tmp_path / "absent.pth")


def test_a_full_disk_leaves_nothing(tmp_path: Path) -> None:
    def full() -> np.ndarray:
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left") as error:
        write_pickled(tmp_path / "x.pth", [Planned("x", "F32", (2,), full)], lambda _: None)
    assert error.value.filename == str(tmp_path / "x.pth")
    assert not list(tmp_path.iterdir())
