"""Kernels that XLA's partitioner cannot see into, run on every device's own part of the arrays.

A `Rule` names the dims of a kernel's arrays by letters, as an einsum does. Under `jit`, dims of one
letter are split alike over the mesh, a letter that stays whole is gathered, and a result that
lacks a split letter is summed over its devices. Outside of a mesh nothing changes; inside a
`shard_map` over all the mesh's axes the kernel is called as it is.
"""

import functools
from collections.abc import Callable, Mapping
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


def per_shard(kernel: Kernel, rule: Rule) -> Kernel:
    """Return a kernel of arrays to a tuple of arrays as a function that `jit` and `vmap` split.

    Under `vmap` the mapped dim is one more that may be split; the kernel sees it folded into the
    first dim where all arrays share that one.

    Raises (when lowered for several devices):
      NotImplementedError: inside a `shard_map` over some of the mesh's axes only.
    """

    @custom_vmap
    def call(*arrays: jax.Array) -> Arrays:
        mapped = arrays[0].ndim - len(rule.operands[0])
        return _split(kernel, rule, mapped)(*arrays)

    @call.def_vmap
    def _(size: int, batched: list[bool], *arrays: jax.Array) -> tuple[Arrays, tuple[bool, ...]]:
        wide = [
            x if has else jnp.broadcast_to(x, (size, *x.shape))
            for x, has in zip(arrays, batched, strict=True)
        ]
        return call(*wide), (True,) * len(rule.results)

    return call


@functools.lru_cache(maxsize=256)
def _split(kernel: Kernel, rule: Rule, mapped: int) -> Kernel:
    """Return a kernel over arrays with `mapped` dims before its own, with its partitioning."""
    before = "".join(chr(ord("A") + n) for n in range(mapped))
    operands = tuple(before + dims for dims in rule.operands)
    results = tuple(before + dims for dims in rule.results)

    def whole(*arrays: jax.Array) -> Arrays:
        return _mapped(kernel, rule, mapped)(*arrays)

    def partition(
        mesh: Mesh, arguments: Arrays, _: Arrays
    ) -> tuple[Mesh, Kernel, tuple[NamedSharding, ...], tuple[NamedSharding, ...]]:
        axes = _axes(mesh, arguments, operands, rule.whole)

        def sharding(dims: str) -> NamedSharding:
            return NamedSharding(mesh, PartitionSpec(*(axes.get(dim) for dim in dims)))

        own = _mapped(kernel, rule, mapped, axes)

        def part(*arrays: jax.Array) -> Arrays:
            outs = own(*arrays)
            return tuple(
                _summed(out, [dim for dim in axes if dim not in dims and dim not in rule.shared],
                        axes)
                for out, dims in zip(outs, results, strict=True)
            )  # fmt: skip

        shardings = tuple(map(sharding, operands))
        return mesh, part, tuple(map(sharding, results)), shardings

    split = custom_partitioning(whole)
    text = ", ".join(" ".join(dims) for dims in operands)
    text += " -> " + ", ".join(" ".join(dims) for dims in results)
    # In the order in which they first appear, which Shardy insists on.
    kept = tuple(dim for dim in dict.fromkeys("".join(operands)) if dim in rule.whole)
    split.def_partition(partition, sharding_rule=text, need_replication_factors=kept)
    return split


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


def _axes(mesh: Mesh, arguments: Arrays, operands: tuple[str, ...], whole: str) -> Axes:
    """Return the mesh axes that each dim is split over: the first operand's wish that can be.

    It cannot be where the devices do not divide the dim, or serve another one already.
    """
    axes: dict[str, tuple[str, ...]] = {}
    for argument, dims in zip(arguments, operands, strict=True):
        sharding: Any = argument.sharding
        if not isinstance(sharding, NamedSharding):
            raise NotImplementedError(
                "a kernel is split by `jit` over a mesh or by a `shard_map` over all of its axes, "
                "not by one over some of them"
            )
        for size, dim, names in zip(argument.shape, dims, sharding.spec, strict=True):
            names = (names,) if isinstance(names, str) else tuple(names or ())
            taken = {name for others in axes.values() for name in others}
            devices = 1
            for name in names:
                devices *= mesh.shape[name]
            if names and dim not in whole and dim not in axes and not taken & set(names):
                if size % devices == 0:
                    axes[dim] = names
    return axes


def _summed(out: jax.Array, dims: list[str], axes: Axes) -> jax.Array:
    names = tuple(name for dim in dims for name in axes[dim])
    return jax.lax.psum(out, names) if names else out
