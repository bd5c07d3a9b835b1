"""Which part of every parameter a device holds: one strict table from path to PartitionSpec.

A path is that of a parameter in its expert's tree, `dit/blocks/self_attention/q/kernel`; its
optimiser statistics and its average have the same rule. Every leaf has the expert dim first, and
what stands under `blocks` the layers next: neither is in the table. A leaf that matches no rule,
or two, is an error, and so is a dim that its axes do not divide: nothing is replicated by chance.
"""

import math
import re
from typing import Any

import jax
import numpy as np
from jax.sharding import AbstractMesh, Mesh, NamedSharding, PartitionSpec

from animatrix_jax.parallel.mesh import BATCH_AXES, PARAMETER_AXES

type Dims = tuple[str | tuple[str, ...] | None, ...]

STACK = "blocks"
"""The name under which layers are stacked on a dim of their own."""
F, T = PARAMETER_AXES, "tensor"
ATTENTION = r"dit/blocks/(self|cross)_attention"

RULES: dict[str, Dims] = {
    # Heads and the feed-forward's width are split over `tensor`, sums over them meet at the exit.
    rf"{ATTENTION}/[qkv]/kernel": (F, T),
    rf"{ATTENTION}/[qkv]/bias": (T,),
    rf"{ATTENTION}/[qk]_norm/gain": (T,),
    rf"{ATTENTION}/o/kernel": (T, F),
    rf"{ATTENTION}/o/bias": (None,),
    r"dit/blocks/cross_attention/(text|tag)_type": (None,),
    r"dit/blocks/cross_attention/gate": (),
    r"dit/blocks/ffn_up/kernel": (F, T),
    r"dit/blocks/ffn_up/bias": (T,),
    r"dit/blocks/ffn_down/kernel": (T, F),
    r"dit/blocks/ffn_down/bias": (None,),
    r"dit/blocks/cross_norm/(scale|bias)": (None,),
    r"dit/blocks/modulation": (None, None),
    # Time and tags are a row a sample: their matrices are gathered where they are used.
    r"dit/blocks/tag_modulation/\w+/kernel": (F, None),
    r"dit/(patch_embedding|position_embedding|time_in)/kernel": (None, F),
    r"dit/(text_in|text_out|time_out|time_projection|head)/kernel": (F, None),
    r"dit/(\w+_embedding|text_(in|out)|time_\w+|head)/bias": (None,),
    r"dit/head_modulation": (None, None),
    r"null_text": (None, None),
    # Few rows: looked up by every device for its own samples.
    r"tag_encoder/(field|value|direction|amplitude|speed|order)": (None, None),
    r"tag_encoder/cls": (None,),
    r"tag_encoder/layer\d+/attention/(query|key|value)/kernel": (F, None, None),
    r"tag_encoder/layer\d+/attention/(query|key|value)/bias": (None, None),
    r"tag_encoder/layer\d+/attention/out/kernel": (None, None, F),
    r"tag_encoder/layer\d+/attention/out/bias": (None,),
    r"tag_encoder/layer\d+/(up|down)/kernel": (F, None),
    r"tag_encoder/layer\d+/(up|down)/bias": (None,),
    r"tag_encoder/(layer\d+/)?norm\d?/(scale|bias)": (None,),
    r"tag_encoder/to_(sequence|global)/kernel": (F, None),
    r"tag_encoder/to_(sequence|global)/bias": (None,),
    r"tag_nulls/(sequence|summary)": (None,),
}
"""Parameters of one layer of one expert."""

STATISTICS: dict[str, Dims] = {
    r"step": (),
    r"(critic/)?optimizer/(.*/)?(count|ns_coeffs)": ("expert",),
    r"guard/\w+": (),
    r"critic/((norm|loss)/\w+|behind)": (),
}
"""What a training state holds besides parameters and what has their shapes."""


def spec_of(path: str) -> PartitionSpec:
    """Return the spec of a leaf of a training state, or of the experts' parameters.

    `path` is its names with slashes between. Raises ValueError where no rule fits it, or several.
    """
    _, inside, name = path.rpartition("params/")
    table = RULES if inside else STATISTICS
    found = [dims for pattern, dims in table.items() if re.fullmatch(pattern, name)]
    if len(found) != 1:
        count = "no rule" if not found else f"{len(found)} rules"
        raise ValueError(f"the partition table has {count} for {path}")
    if table is STATISTICS:
        return PartitionSpec(*found[0])
    stacked = (None,) if STACK in name.split("/") else ()
    return PartitionSpec("expert", *stacked, *found[0])


def shardings(tree: Any, mesh: Mesh | AbstractMesh) -> Any:
    """Return the sharding of every leaf of a state or of experts' parameters (shapes suffice).

    Raises ValueError for a leaf that the table does not know, or that the mesh does not divide.
    """

    def place(path: Any, leaf: Any) -> NamedSharding:
        name = jax.tree_util.keystr(path, simple=True, separator="/")
        spec = spec_of(name)
        _check_divides(name, leaf.shape, spec, mesh)
        return NamedSharding(mesh, spec)

    return jax.tree_util.tree_map_with_path(place, tree)


def expert_shardings(tree: Any, mesh: Mesh, memory_kind: str | None = None) -> Any:
    """Return the sharding of every leaf of one expert's parameters, which lack the expert dim.

    `memory_kind` is `pinned_host` for an expert that waits in the host's memory. Raises ValueError
    as `shardings`.
    """

    def place(path: Any, leaf: Any) -> NamedSharding:
        name = jax.tree_util.keystr(path, simple=True, separator="/")
        spec = PartitionSpec(*spec_of(name)[1:])
        _check_divides(name, leaf.shape, spec, mesh)
        return NamedSharding(mesh, spec, memory_kind=memory_kind)

    return jax.tree_util.tree_map_with_path(place, tree)


def pinned(tree: Any, mesh: Mesh) -> Any:
    """Return one expert's parameters, or their gradients, held to the table while they are traced.

    So that the compiler gathers weights where they are used, and does not move the tokens to them.
    """
    if mesh.size == 1:
        return tree
    here = jax.sharding.get_abstract_mesh()

    def pin(path: Any, leaf: jax.Array) -> jax.Array:
        name = jax.tree_util.keystr(path, simple=True, separator="/")
        spec = PartitionSpec(*spec_of(name)[1:])
        return jax.lax.with_sharding_constraint(
            leaf, NamedSharding(here if here.manual_axes else mesh, spec)
        )

    return jax.tree_util.tree_map_with_path(pin, tree)


def batch_sharding(mesh: Mesh | AbstractMesh) -> NamedSharding:
    """Return the sharding of a batch's arrays [expert, batch/expert, …]."""
    return NamedSharding(mesh, PartitionSpec("expert", BATCH_AXES))


def replicated(mesh: Mesh) -> NamedSharding:
    """Return the sharding of what every device holds whole."""
    return NamedSharding(mesh, PartitionSpec())


def whole(tree: Any, mesh: Mesh) -> Any:
    """Return a tree that is traced, held to be on every device whole."""
    return jax.lax.with_sharding_constraint(tree, replicated(mesh)) if mesh.size > 1 else tree


def put_whole(x: Any, sharding: NamedSharding) -> jax.Array:
    """Return an array on the mesh, of which every process has the whole or the mesh its parts."""
    if isinstance(x, jax.Array) and not x.is_fully_addressable:
        return jax.jit(lambda y: y, out_shardings=sharding)(x)
    if sharding.is_fully_addressable:
        return jax.device_put(x, sharding)
    whole = np.asarray(x)
    return jax.make_array_from_callback(whole.shape, sharding, lambda index: whole[index])


def _check_divides(
    name: str, shape: tuple[int, ...], spec: PartitionSpec, mesh: Mesh | AbstractMesh
) -> None:
    assert len(spec) <= len(shape), f"{name} has {len(shape)} dims, its rule {len(spec)}"
    for size, axes in zip(shape, spec, strict=False):
        names = (axes,) if isinstance(axes, str) else axes or ()
        devices = math.prod(mesh.shape[axis] for axis in names)
        if size % devices:
            raise ValueError(
                f"a dim of {size} of {name} {shape} is not divided by the {devices} devices "
                f"of the mesh's {' × '.join(names)}: give these axes fewer"
            )
