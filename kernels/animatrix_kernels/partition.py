"""Kernels that XLA's partitioner cannot see into, run on every device's own part of the arrays.

A `Rule` names the dims of a kernel's arrays by letters, as an einsum does: b for the batch, h for
heads, l and q for tokens. Dims of one letter are split alike over the mesh, a letter that stays
whole is gathered, and a result that lacks a split letter is summed over its devices.

On a GPU, `jit` over a mesh finds the split by itself (a Shardy rule). libtpu has no such rules:
there, and wherever one likes it said, `split_over` names the mesh axes and the kernels run in a
`shard_map`. Outside of a mesh nothing changes; inside a `shard_map` over all the mesh's axes a
kernel is called as it is, whatever split is said around that.
"""

import contextlib
import functools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jax.custom_batching import custom_vmap
from jax.experimental.custom_partitioning import custom_partitioning
from jax.sharding import Mesh, NamedSharding, PartitionSpec

type Arrays = tuple[jax.Array, ...]
type Kernel = Callable[..., Arrays]
type Axes = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class Rule:
    """The dims of a kernel's operands and results, a letter each.

    `whole` are the letters that may not be split. `shared` are those whose devices the kernel
    itself brings together: it is called with `axis_name`, the mesh axes that they are split over,
    None where they are not.
    """

    operands: tuple[str, ...]
    results: tuple[str, ...]
    whole: str = ""
    shared: str = ""

    @property
    def batch_first(self) -> bool:
        """Whether every array's first dim is that of the first operand."""
        first = self.operands[0][0]
        return all(dims[:1] == first for dims in (*self.operands, *self.results))


@dataclass(frozen=True)
class Split:
    """The axes of a mesh that batch, tokens, heads and a mapped dim (experts) are split over."""

    mesh: Mesh
    batch: tuple[str, ...] = ()
    tokens: tuple[str, ...] = ()
    heads: tuple[str, ...] = ()
    mapped: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Check that every axis is one of the mesh's and serves once."""
        named = (*self.batch, *self.tokens, *self.heads, *self.mapped)
        if len(set(named)) < len(named) or not set(named) <= set(self.mesh.axis_names):
            raise ValueError(
                f"a split names axes of the mesh, each once: {', '.join(self.mesh.axis_names)}, "
                f"not {', '.join(named)}"
            )

    def axes(self, dim: str) -> tuple[str, ...]:
        """Return the axes that a letter of a rule is split over."""
        if dim == "A":
            return self.mapped
        return {"b": self.batch, "h": self.heads, "l": self.tokens, "q": self.tokens}.get(dim, ())


_SPLIT = jax.make_user_context(None)
"""The `Split` that is said, as a part of the key under which JAX keeps what it has traced."""


@contextlib.contextmanager
def split_over(split: Split) -> Iterator[None]:
    """Run the kernels that are traced inside on each device's part of a mesh, in a `shard_map`.

    What the devices of a dim's axes do not divide is left whole.
    """
    with _SPLIT(split):
        yield


def per_shard(kernel: Kernel, rule: Rule, *, propagated: bool = True) -> Kernel:
    """Return a kernel of arrays to a tuple of arrays as a function that `jit` and `vmap` split.

    Under `vmap` the mapped dim is one more that may be split; the kernel sees it folded into the
    first dim where all arrays share that one. Without `propagated` only `split_over` splits it.

    Raises:
      ValueError: without `propagated`, while a mesh of several devices is set and no split is.
      NotImplementedError (when lowered for several devices): inside a `shard_map` over some of the
        mesh's axes only.
    """

    @custom_vmap
    def call(*arrays: jax.Array) -> Arrays:
        mapped = arrays[0].ndim - len(rule.operands[0])
        if _in_parts():
            return _mapped(kernel, rule, mapped)(*arrays)
        split = _SPLIT.value
        if split is not None:
            return _by_hand(kernel, rule, mapped, split, arrays)
        if not propagated:
            _check_alone()
            return _mapped(kernel, rule, mapped)(*arrays)
        return _propagated(kernel, rule, mapped)(*arrays)

    @call.def_vmap
    def _(size: int, batched: list[bool], *arrays: jax.Array) -> tuple[Arrays, tuple[bool, ...]]:
        wide = [
            x if has else jnp.broadcast_to(x, (size, *x.shape))
            for x, has in zip(arrays, batched, strict=True)
        ]
        return call(*wide), (True,) * len(rule.results)

    return call


def _in_parts() -> bool:
    """Return whether what is traced is one device's part: inside a `shard_map` over all axes."""
    mesh = jax.sharding.get_abstract_mesh()
    return not mesh.empty and set(mesh.manual_axes) == set(mesh.axis_names)


def _check_alone() -> None:
    """Raise where a kernel would have to be split and nothing says how."""
    mesh = jax.sharding.get_abstract_mesh()
    if not mesh.empty and mesh.size > 1:
        raise ValueError(
            "on a TPU kernels are split over a mesh by `animatrix_kernels.partition.split_over` "
            "or inside a `shard_map` over all of its axes"
        )


def _dims(rule: Rule, mapped: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the letters of operands and results, with one for each mapped dim before them."""
    before = "".join(chr(ord("A") + n) for n in range(mapped))
    return tuple(before + d for d in rule.operands), tuple(before + d for d in rule.results)


def _part(kernel: Kernel, rule: Rule, mapped: int, axes: Axes) -> Kernel:
    """Return what one device computes when dims are split over `axes`."""
    own = _mapped(kernel, rule, mapped, axes)
    _, results = _dims(rule, mapped)

    def part(*arrays: jax.Array) -> Arrays:
        missing = [[d for d in axes if d not in dims and d not in rule.shared] for dims in results]
        return tuple(
            _summed(out, dims, axes) for out, dims in zip(own(*arrays), missing, strict=True)
        )

    return part


def _spec(dims: str, axes: Axes) -> PartitionSpec:
    return PartitionSpec(*(axes.get(dim) for dim in dims))


def remaining(mesh: Mesh) -> dict[str, Any]:
    """Return the arguments that give a `shard_map` the axes of a mesh that no other one around has.

    Inside none they are the whole mesh.
    """
    here = jax.sharding.get_abstract_mesh()
    if not here.manual_axes:
        return {"mesh": mesh}
    return {"mesh": here, "axis_names": {*here.axis_names} - {*here.manual_axes}}


def _by_hand(kernel: Kernel, rule: Rule, mapped: int, split: Split, arrays: Arrays) -> Arrays:
    """Run a kernel in a `shard_map`, split as `split` says."""
    operands, results = _dims(rule, mapped)
    wishes = [[split.axes(dim) for dim in dims] for dims in operands]
    axes = _agreed(split.mesh, [x.shape for x in arrays], operands, wishes, rule.whole)
    run = jax.shard_map(
        _part(kernel, rule, mapped, axes),
        **remaining(split.mesh),
        in_specs=tuple(_spec(dims, axes) for dims in operands),
        out_specs=tuple(_spec(dims, axes) for dims in results),
        # A Pallas call does not say over which axes its results differ.
        check_vma=False,
    )
    return run(*arrays)


@functools.lru_cache(maxsize=256)
def _propagated(kernel: Kernel, rule: Rule, mapped: int) -> Kernel:
    """Return a kernel over arrays with `mapped` dims before its own, with its partitioning."""
    operands, results = _dims(rule, mapped)

    def whole(*arrays: jax.Array) -> Arrays:
        return _mapped(kernel, rule, mapped)(*arrays)

    def partition(
        mesh: Mesh, arguments: Arrays, _: Arrays
    ) -> tuple[Mesh, Kernel, tuple[NamedSharding, ...], tuple[NamedSharding, ...]]:
        wishes = [_spec_of(argument) for argument in arguments]
        axes = _agreed(mesh, [x.shape for x in arguments], operands, wishes, rule.whole)
        ins, outs = (
            tuple(NamedSharding(mesh, _spec(dims, axes)) for dims in side)
            for side in (operands, results)
        )
        return mesh, _part(kernel, rule, mapped, axes), outs, ins

    split = custom_partitioning(whole)
    text = ", ".join(" ".join(dims) for dims in operands)
    text += " -> " + ", ".join(" ".join(dims) for dims in results)
    # In the order in which they first appear, which Shardy insists on.
    kept = tuple(dim for dim in dict.fromkeys("".join(operands)) if dim in rule.whole)
    split.def_partition(partition, sharding_rule=text, need_replication_factors=kept)
    return split


def _spec_of(argument: Any) -> list[tuple[str, ...]]:
    """Return the mesh axes of each dim of what the partitioner hands over."""
    if not isinstance(argument.sharding, NamedSharding):
        raise NotImplementedError(
            "a kernel is split by `jit` over a mesh or by a `shard_map` over all of its axes, "
            "not by one over some of them"
        )
    return [(n,) if isinstance(n, str) else tuple(n or ()) for n in argument.sharding.spec]


def _mapped(kernel: Kernel, rule: Rule, mapped: int, axes: Axes | None = None) -> Kernel:
    """Return the kernel over arrays with `mapped` more dims before its own."""
    if rule.shared:
        names = tuple(name for dim in rule.shared for name in (axes or {}).get(dim, ()))
        kernel = functools.partial(kernel, axis_name=names or None)
    if not mapped:
        return kernel
    if not rule.batch_first:
        for _ in range(mapped):
            kernel = jax.vmap(kernel)
        return kernel

    def folded(*arrays: jax.Array) -> Arrays:
        before = arrays[0].shape[: mapped + 1]
        outs = kernel(*(x.reshape(-1, *x.shape[mapped + 1 :]) for x in arrays))
        return tuple(out.reshape(*before, *out.shape[1:]) for out in outs)

    return folded


def _agreed(
    mesh: Mesh,
    shapes: Sequence[tuple[int, ...]],
    operands: tuple[str, ...],
    wishes: Sequence[Sequence[tuple[str, ...]]],
    whole: str,
) -> Axes:
    """Return the mesh axes that each letter is split over: the first operand's wish that can be.

    It cannot be where the devices do not divide the dim, or serve another one already.
    """
    axes: dict[str, tuple[str, ...]] = {}
    for shape, dims, names_of_dims in zip(shapes, operands, wishes, strict=True):
        for size, dim, names in zip(shape, dims, names_of_dims, strict=True):
            taken = {name for others in axes.values() for name in others}
            devices = math.prod(mesh.shape[name] for name in names)
            free = dim not in whole and dim not in axes and not taken & set(names)
            if names and free and size % devices == 0:
                axes[dim] = names
    return axes


def _summed(out: jax.Array, dims: list[str], axes: Axes) -> jax.Array:
    names = tuple(name for dim in dims for name in axes[dim])
    return jax.lax.psum(out, names) if names else out
