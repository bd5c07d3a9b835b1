"""Weights of a model folder put straight into a mesh's shards: a process reads what it holds."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from safetensors import SafetensorError, safe_open

from animatrix_jax.checkpoint.folder import check_tensors, flatten_layers, layer_names, part_files

type Index = tuple[slice, ...]

DTYPES = {"F32": jnp.float32, "F16": jnp.float16, "BF16": jnp.bfloat16}
"""The float types of files by their names there."""


class _Part:
    """The tensors of one network's files, opened and not read."""

    def __init__(self, folder: Path, part: str) -> None:
        self._slices: dict[str, Any] = {}
        for file in part_files(folder, part):
            try:
                opened = safe_open(str(file), "numpy")
                names = opened.keys()
                self._slices |= {name: opened.get_slice(name) for name in names}
            except (SafetensorError, OSError) as error:
                raise ValueError(f"{file} cannot be read as safetensors: {error}") from error

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The tensors' shapes by name."""
        return {name: tuple(found.get_shape()) for name, found in self._slices.items()}

    def dtype(self, names: Sequence[str]) -> Any:
        """Return the type that holds what the files hold of some tensors."""
        return jnp.result_type(*{DTYPES[self._slices[name].get_dtype()] for name in names})

    def read(self, names: Sequence[str], stacked: bool, index: Index, dtype: Any) -> np.ndarray:
        """Return a part of a leaf: of a tensor, or of the layers that are `stacked`."""
        if stacked:
            layers = [self._cut(name, index[1:]) for name in names[index[0]]]
            return np.stack([np.asarray(layer, dtype) for layer in layers])
        return np.asarray(self._cut(names[0], index), dtype)

    def _cut(self, name: str, index: Index) -> np.ndarray:
        # A slice of a scalar is the whole of it.
        found: np.ndarray = self._slices[name][index] if index else self._slices[name][...]
        return found


def load_onto(folder: Path, part: str, like: Any, shardings: Any, dtype: str = "float32") -> Any:
    """Return a network's parameters on a mesh, each device's part read by itself.

    `like` and `dtype` are as `load_part` takes them, `shardings` a tree of that form. Raises
    ValueError as `load_part` does.
    """
    own = _Part(folder, part)
    check_tensors(folder / part, own.shapes, _shapes(like))

    def gather(path: Any, leaf: Any, sharding: Any) -> jax.Array:
        names, stacked = layer_names(path, leaf)
        kind = leaf.dtype if dtype == "float32" else own.dtype(names)

        def read(index: Any) -> np.ndarray:
            return own.read(names, stacked, index, kind)

        return jax.make_array_from_callback(leaf.shape, sharding, read)

    return jax.tree_util.tree_map_with_path(gather, like, shardings)


def load_stacked(folder: Path, parts: Sequence[str], like: Any, shardings: Any) -> Any:
    """Return networks of one form, stacked on a leading dim in the order of `parts`.

    `like` is the tree of one network (shapes suffice), whose types hold; `shardings` a tree of the
    stacked one's. Raises ValueError as `load_part` does.
    """
    files = [_Part(folder, part) for part in parts]
    for part, own in zip(parts, files, strict=True):
        check_tensors(folder / part, own.shapes, _shapes(like))

    def gather(path: Any, leaf: Any, sharding: Any) -> jax.Array:
        names, stacked = layer_names(path, leaf)

        def read(index: Any) -> np.ndarray:
            found = [own.read(names, stacked, index[1:], leaf.dtype) for own in files[index[0]]]
            return np.stack(found)

        return jax.make_array_from_callback((len(parts), *leaf.shape), sharding, read)

    return jax.tree_util.tree_map_with_path(gather, like, shardings)


def _shapes(like: Any) -> dict[str, tuple[int, ...]]:
    return {name: leaf.shape for name, leaf in flatten_layers(like)}
