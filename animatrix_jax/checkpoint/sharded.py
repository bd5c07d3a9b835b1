"""Weights of a model folder put straight into a mesh's shards: a process reads what it holds."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from safetensors import SafetensorError, safe_open

from animatrix_jax.checkpoint.folder import check_tensors, flatten_layers, layer_names, part_files


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

    def read(self, name: str, index: tuple[slice, ...], dtype: Any) -> np.ndarray:
        """Return a part of a tensor."""
        # A slice of a scalar is the whole of it.
        found = self._slices[name][index] if index else self._slices[name][...]
        return np.asarray(found).astype(dtype)


def load_stacked(
    folder: Path, parts: Sequence[str], like: Any, shardings: Any, dtype: Any = jnp.float32
) -> Any:
    """Return networks of one form, stacked on a leading dim in the order of `parts`.

    `like` is the tree of one network (shapes suffice), `shardings` a tree of the stacked one's.
    Raises ValueError as `load_part` does.
    """
    files = [_Part(folder, part) for part in parts]
    expected = {name: leaf.shape for name, leaf in flatten_layers(like)}
    for part, own in zip(parts, files, strict=True):
        check_tensors(folder / part, own.shapes, expected)

    def gather(path: Any, leaf: Any, sharding: Any) -> jax.Array:
        names, stacked = layer_names(path, leaf)
        shape = (len(parts), *leaf.shape)

        def read(index: tuple[slice, ...]) -> np.ndarray:
            inside = index[2:] if stacked else index[1:]
            layers = names[index[1]] if stacked else names
            experts = [
                [own.read(name, inside, dtype) for name in layers] for own in files[index[0]]
            ]
            return np.asarray(experts) if stacked else np.asarray([own[0] for own in experts])

        return jax.make_array_from_callback(shape, sharding, read)

    return jax.tree_util.tree_map_with_path(gather, like, shardings)
