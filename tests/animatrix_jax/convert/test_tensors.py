import json
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from safetensors.numpy import save_file

from animatrix_jax.convert.tensors import (
    FLOATS,
    Planned,
    into_shards,
    read_header,
    read_shards,
    write_safetensors,
)

DTYPE_NAMES = {np.dtype(kind): name for name, kind in FLOATS.items()}


def planned(name: str, array: np.ndarray) -> Planned:
    return Planned(name, DTYPE_NAMES[array.dtype], array.shape, lambda: array)


def silent(_: int) -> None:
    return None


@given(
    hnp.arrays(np.float32, hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4)),
    st.sampled_from([np.float32, np.float16, ml_dtypes.bfloat16]),
    st.booleans(),
)
def test_written_bytes_are_read_again(
    tmp_path_factory: pytest.TempPathFactory, values: np.ndarray, kind: type, turned: bool
) -> None:
    with np.errstate(over="ignore"):
        array = values.astype(kind)
    array = array.T if turned else array
    path = tmp_path_factory.mktemp("tensors") / "a.safetensors"
    odd = np.ones(3, ml_dtypes.bfloat16)
    write_safetensors(path, [planned("odd", odd), planned("x", array)], {"format": "pt"}, silent)
    stored = read_header(path)
    assert stored["x"].read().tobytes() == array.tobytes()
    assert stored["x"].shape == array.shape
    assert stored["odd"].read().tobytes() == odd.tobytes()


def test_the_public_library_reads_what_is_written_and_is_read(tmp_path: Path) -> None:
    from safetensors.numpy import load_file

    arrays = {"a": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.ones((), np.float16)}
    ours, theirs = tmp_path / "ours.safetensors", tmp_path / "theirs.safetensors"
    write_safetensors(ours, [planned(n, a) for n, a in arrays.items()], {}, silent)
    save_file(arrays, theirs)
    for name, array in load_file(ours).items():
        np.testing.assert_array_equal(array, arrays[name])
    for name, stored in read_header(theirs).items():
        np.testing.assert_array_equal(stored.read(), arrays[name])


def test_large_turned_tensors_are_written_in_blocks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("animatrix_jax.convert.tensors.BLOCK_BYTES", 64)
    array = np.arange(35 * 7, dtype=np.float32).reshape(7, 35).T
    path = tmp_path / "a.safetensors"
    write_safetensors(path, [planned("x", array)], {}, silent)
    np.testing.assert_array_equal(read_header(path)["x"].read(), array)


def forge(path: Path, header: object, data: bytes = b"", text: bytes | None = None) -> Path:
    text = json.dumps(header).encode() if text is None else text
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)
    return path


ENTRY = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}


@pytest.mark.parametrize(
    ("header", "data", "sentence"),
    [
        ({"a": ENTRY}, b"1234", "is truncated: its header promises"),
        ({"a": ENTRY}, b"123456789", "has 1 bytes after its last tensor"),
        ([], b"", "its header is no JSON object"),
        ({"a": ENTRY | {"shape": [3]}}, b"12345678", "tensor a of 12 bytes lies in 8"),
        ({"a": ENTRY | {"shape": [-2]}}, b"12345678", "of dtype 'F32' and shape [-2]"),
        ({"a": ENTRY | {"dtype": "F31"}}, b"12345678", "of dtype 'F31'"),
        ({"a": ENTRY | {"data_offsets": [4, 12]}}, b"x" * 12, "leaves a hole"),
        ({"a": ENTRY, "b": ENTRY}, b"12345678", "tensor b overlaps another"),
        ({"a": {"dtype": "F32", "shape": [2]}}, b"", "tensor a has no sound place"),
        ({"a": 3}, b"", "tensor a has no sound place"),
    ],
)
def test_unsound_files_are_refused(
    tmp_path: Path, header: object, data: bytes, sentence: str
) -> None:
    with pytest.raises(ValueError) as error:
        read_header(forge(tmp_path / "a.safetensors", header, data))
    assert sentence in str(error.value) and "a.safetensors" in str(error.value)


def test_headers_that_are_none_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    path.write_bytes(b"abc")
    with pytest.raises(ValueError, match="not a safetensors file"):
        read_header(path)
    with pytest.raises(ValueError, match="is no JSON"):
        read_header(forge(path, None, text=b"{"))
    path.write_bytes((50).to_bytes(8, "little") + b"{}")
    with pytest.raises(ValueError, match="truncated inside its header"):
        read_header(path)
    path.write_bytes((1 << 60).to_bytes(8, "little") + b"{}")
    with pytest.raises(ValueError, match="not a safetensors file"):
        read_header(path)


def test_shards_are_cut_by_size_and_found_again(tmp_path: Path) -> None:
    arrays = {f"t{i}": np.full(4, i, np.float32) for i in range(5)}
    shards = into_shards([planned(n, a) for n, a in arrays.items()], 32)
    assert [[t.name for t in shard] for shard in shards] == [["t0", "t1"], ["t2", "t3"], ["t4"]]
    assert [len(s) for s in into_shards([planned(n, a) for n, a in arrays.items()], 1)] == [1] * 5
    for number, shard in enumerate(shards, 1):
        name = f"model-{number:05d}-of-00003.safetensors"
        write_safetensors(tmp_path / name, shard, {}, silent)
    assert read_shards(tmp_path, "model").keys() == arrays.keys()

    index = tmp_path / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"t0": "elsewhere"}}))
    with pytest.raises(ValueError, match="disagree on tensor t0"):
        read_shards(tmp_path, "model")
    for odd in ({}, {"weight_map": ["t0"]}, {"weight_map": {"t0": ["elsewhere"]}}):
        index.write_text(json.dumps(odd))
        with pytest.raises(ValueError, match=r"index.json has no weight_map from tensors to files"):
            read_shards(tmp_path, "model")
    index.unlink()
    (tmp_path / "model-00002-of-00003.safetensors").unlink()
    with pytest.raises(ValueError, match=r"model-00002-of-00003.safetensors is missing \(1 of 3"):
        read_shards(tmp_path, "model")


def test_a_tensor_in_two_shards_is_refused(tmp_path: Path) -> None:
    for number in (1, 2):
        name = f"model-{number:05d}-of-00002.safetensors"
        write_safetensors(tmp_path / name, [planned("x", np.ones(2, np.float32))], {}, silent)
    with pytest.raises(ValueError, match=r"tensor x is in .*00001.* and in .*00002"):
        read_shards(tmp_path, "model")


def test_a_full_disk_leaves_nothing(tmp_path: Path) -> None:
    def full() -> np.ndarray:
        raise OSError(28, "No space left on device")

    path = tmp_path / "a.safetensors"
    with pytest.raises(OSError, match="No space left") as error:
        write_safetensors(path, [Planned("x", "F32", (2,), full)], {}, silent)
    assert error.value.filename == str(path)
    assert not list(tmp_path.iterdir())
