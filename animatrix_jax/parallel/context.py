"""Attention over tokens that are split over a mesh: an exchange of heads inside, a ring outside.

The c = r·u devices along the mesh axis `context` each hold 1/c of the tokens, in order, with all of
the heads that `tensor` leaves them. Device n = i·u + j is the j-th of group i. Two exchanges
multiply:

1. Ulysses (arXiv 2309.14509), degree u: the u neighbours of a group swap tokens for heads
   (all-to-all). Each then has all the tokens of its group, and 1/u of its heads.
2. Ring (arXiv 2310.01889), degree r: the r devices with the same j hold the same heads of different
   tokens. Keys and values go around among them (`ppermute`), and the outputs over one block of keys
   after another are merged by their log-sum-exp.

A second all-to-all brings tokens and heads back to where they were. With u = r = 2, tokens 0123
and heads ab:

    device           0      1      2      3
    given            0 ab   1 ab   2 ab   3 ab
    exchanged        01 a   01 b   23 a   23 b     keys 01 and 23 then go around: 0 ⇄ 2, 1 ⇄ 3
    brought back     0 ab   1 ab   2 ab   3 ab

Ulysses moves each token a fixed number of times and takes as many heads as devices; the ring takes
any number of devices, and while a block is computed the next one is under way. Both passes hold two
blocks of keys at a time, whatever the ring's degree: backward, the blocks go around once more, and
their gradients in float32 with them.

Keys of another number than the queries (a text, a text with tags) are few: they stay whole on every
device of `context`, and nothing but their gradients is brought together. The batch is split over
`data` and `fsdp`, and left whole where they do not divide it; `expert` is never named here, so that
nothing moves along it.
"""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.custom_batching import custom_vmap
from jax.sharding import Mesh, PartitionSpec
from jaxtyping import Array, Float, Int

from animatrix_jax.parallel.mesh import BATCH_AXES
from animatrix_kernels.flash_attention import flash_attention, flash_attention_gradients
from animatrix_kernels.partition import remaining

type Attend = Callable[[jax.Array, jax.Array, jax.Array, jax.Array | None], jax.Array]
type Heads = Float[Array, "B L H D"]
type Statistics = Float[Array, "B L H"]
type Lengths = Int[Array, " B"]
type Rows = Float[Array, "B L HD"]
type Pair = tuple[Rows, Rows]
"""A block of keys and values, or their gradients, heads side by side as the kernels lay them."""

CONTEXT, TENSOR = "context", "tensor"


@dataclass(frozen=True)
class Degrees:
    """How the devices along `context` share attention: groups of `ulysses`, `ring` of them."""

    ulysses: int
    ring: int

    @property
    def groups(self) -> list[list[int]]:
        """The devices of each group, which swap tokens for heads."""
        return [[i * self.ulysses + j for j in range(self.ulysses)] for i in range(self.ring)]

    @property
    def hops(self) -> list[tuple[int, int]]:
        """From where to where a block of keys goes: to the same place of the next group."""
        devices = self.ulysses * self.ring
        return [(n, (n + self.ulysses) % devices) for n in range(devices)]


def degrees_for(mesh: Mesh, heads: int, ulysses: int | None = None) -> Degrees:
    """Return how the devices along `context` share the attention of so many heads.

    Args:
      mesh: one with the axes of `parallel.mesh`.
      heads: all heads of the model.
      ulysses: the degree of the exchange of heads; the largest that can be when None.

    Raises:
      ValueError: `tensor` does not divide the heads, or `ulysses` not what it leaves a device or
        not the devices along `context`.
    """
    context, tensor = mesh.shape[CONTEXT], mesh.shape[TENSOR]
    if heads % tensor:
        raise ValueError(
            f"{heads} heads are not split over tensor {tensor}: it is one of "
            f"{_listed(_divisors(heads))}"
        )
    left = heads // tensor
    able = [n for n in _divisors(context) if left % n == 0]
    if ulysses is None:
        ulysses = able[-1]
    if ulysses not in able:
        raise ValueError(
            f"Ulysses {ulysses} does not divide both the {context} devices of context and the "
            f"{left} heads that tensor {tensor} leaves each: it is one of {_listed(able)}"
        )
    return Degrees(ulysses, context // ulysses)


def _divisors(number: int) -> list[int]:
    return [n for n in range(1, number + 1) if number % n == 0]


def _listed(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers))


def context_attention(
    mesh: Mesh,
    *,
    ulysses: int | None = None,
    backend: str | None = None,
    deterministic: bool = False,
) -> Attend:
    """Return attention over tokens split along `context`, for a model that knows nothing of it.

    Args:
      mesh: one with the axes of `parallel.mesh`; what is traced on it may be under `jit`, `vmap`
        over experts (with `spmd_axis_name`), `scan` and `checkpoint`.
      ulysses: the degree of the exchange of heads, the rest being a ring; the largest that divides
        the devices along `context` and a device's heads when None.
      backend, deterministic: as `flash_attention` takes them, for every block.

    Returns:
      `attend(q, k, v, kv_lengths)` on [B, L, H, D] with kv_lengths [B] or None, as
      `flash_attention`. As many keys as queries are split as these are; others stay whole. A number
      of tokens that the devices do not divide is filled up, exactly. It raises ValueError where the
      heads cannot be split so (`degrees_for`).
    """
    kernel = _Kernel(backend, deterministic)

    def attend(q: Heads, k: Heads, v: Heads, kv_lengths: Lengths | None) -> Heads:
        degrees = degrees_for(mesh, q.shape[2], ulysses)
        if mesh.size == 1:
            return kernel.out(q, k, v, kv_lengths)
        tokens, dtype = q.shape[1], q.dtype
        together = k.shape[1] == tokens
        if fill := -tokens % mesh.shape[CONTEXT]:
            q = _filled(q, fill)
            if together:
                k, v = _filled(k, fill), _filled(v, fill)
                kv_lengths = _real(kv_lengths, q.shape[0], tokens)
        part = functools.partial(_sequence_part, degrees, kernel)
        if not together:
            # In float32, in which their gradients are then summed over the devices.
            k, v = k.astype(jnp.float32), v.astype(jnp.float32)
            part = functools.partial(_query_part, dtype, kernel)
        out = _in_parts(part, mesh, together)(q, k, v, kv_lengths)
        return out[:, :tokens] if fill else out

    return attend


def _filled(x: Heads, fill: int) -> Heads:
    return jnp.pad(x, ((0, 0), (0, fill), (0, 0), (0, 0)))


def _real(kv_lengths: Lengths | None, batch: int, tokens: int) -> Lengths:
    """Return key counts that leave out what `_filled` has added to `tokens`."""
    return jnp.full(batch, tokens) if kv_lengths is None else jnp.minimum(kv_lengths, tokens)


def _in_parts(part: Attend, mesh: Mesh, together: bool) -> Attend:
    """Return attention of which every device computes its `part`; `together` splits the keys."""
    devices = mesh.shape[BATCH_AXES[0]] * mesh.shape[BATCH_AXES[1]]

    def attend(q: Heads, k: Heads, v: Heads, kv_lengths: Lengths | None) -> Heads:
        batch = None if q.shape[0] % devices else BATCH_AXES
        split = PartitionSpec(batch, CONTEXT, TENSOR)
        keys = split if together else PartitionSpec(batch, None, TENSOR)
        run = jax.shard_map(
            part,
            **remaining(mesh),
            in_specs=(split, keys, keys, PartitionSpec(batch)),
            out_specs=split,
            # A Pallas call does not say over which axes its results differ.
            check_vma=False,
        )
        return run(q, k, v, kv_lengths)

    return attend


@dataclass(frozen=True)
class _Kernel:
    """The attention of one device: that of `flash_attention`, and of blocks of keys."""

    backend: str | None
    deterministic: bool

    @property
    def options(self) -> dict[str, Any]:
        """What every call is given."""
        return {"backend": self.backend, "deterministic": self.deterministic}

    def out(self, q: Heads, k: Heads, v: Heads, kv_lengths: Lengths | None) -> Heads:
        """Return the output over all keys."""
        return flash_attention(q, k, v, kv_lengths=kv_lengths, **self.options)

    def block(self, q: Heads, k: Heads, v: Heads, counted: Lengths | None) -> "_Merged":
        """Return the output over a block of keys, and its log-sum-exp."""
        out, lse = flash_attention(q, k, v, kv_lengths=counted, return_lse=True, **self.options)
        return _Merged(out.astype(jnp.float32), lse)

    def gradients(
        self,
        q: Heads,
        k: Heads,
        v: Heads,
        counted: Lengths | None,
        out: Heads,
        lse: Statistics,
        d_out: Heads,
    ) -> tuple[Heads, Heads, Heads]:
        """Return a block's share of dq, and its dk and dv, in float32."""
        d_q, d_k, d_v = flash_attention_gradients(
            q, k, v, out, lse, d_out, kv_lengths=counted, **self.options
        )
        return d_q.astype(jnp.float32), d_k.astype(jnp.float32), d_v.astype(jnp.float32)


def _query_part(
    dtype: jnp.dtype, kernel: _Kernel, q: Heads, k: Heads, v: Heads, kv_lengths: Lengths | None
) -> Heads:
    """Attend from a device's queries to keys that are whole on it."""
    return kernel.out(q, k.astype(dtype), v.astype(dtype), kv_lengths)


def _sequence_part(
    degrees: Degrees, kernel: _Kernel, q: Heads, k: Heads, v: Heads, kv_lengths: Lengths | None
) -> Heads:
    """Attend from a device's tokens to all tokens, of which it has as many as any other."""
    q, k, v = (_swapped(x, degrees, 2, 1) for x in (q, k, v))
    if degrees.ring == 1:
        out = kernel.out(q, k, v, kv_lengths)
    else:
        out = _ring(q, k, v, kv_lengths, degrees, kernel)
    return _swapped(out, degrees, 1, 2)


@functools.partial(jax.custom_vjp, nondiff_argnums=(1, 2, 3))
def _swapped(x: Heads, degrees: Degrees, split: int, joined: int) -> Heads:
    """Swap parts of dim `split` for parts of dim `joined` among the devices of a group."""
    return _exchange(degrees, split, joined)(x)


_swapped.defvjp(
    lambda x, degrees, split, joined: (_swapped(x, degrees, split, joined), None),
    lambda degrees, split, joined, _, d_out: (_swapped(d_out, degrees, joined, split),),
)


@functools.cache
def _exchange(degrees: Degrees, split: int, joined: int) -> Callable[[jax.Array], jax.Array]:
    """Return the exchange of heads as a function that `vmap` maps.

    JAX maps an all-to-all among some of an axis' devices only by a rule of ours.
    """

    @custom_vmap
    def exchange(x: jax.Array) -> jax.Array:
        if degrees.ulysses == 1:
            return x
        before = x.ndim - 4
        return jax.lax.all_to_all(
            x,
            CONTEXT,
            before + split,
            before + joined,
            axis_index_groups=degrees.groups,
            tiled=True,
        )

    @exchange.def_vmap
    def _(size: int, mapped: list[bool], x: jax.Array) -> tuple[jax.Array, bool]:
        return exchange(x), True

    return exchange


class _Merged(NamedTuple):
    """The output over some of the keys in float32, and their log-sum-exp."""

    out: Heads
    lse: Statistics

    def with_other(self, other: "_Merged") -> "_Merged":
        """Return the output over the keys of both; minus infinity stands for none at all."""
        lse = jnp.logaddexp(self.lse, other.lse)
        some = jnp.where(jnp.isfinite(lse), lse, 0.0)
        own, others = (jnp.exp(part.lse - some)[..., None] for part in (self, other))
        return _Merged(self.out * own + other.out * others, lse)


def _rows(x: Heads) -> Rows:
    return x.reshape(*x.shape[:2], -1)


def _passed_on(blocks: Pair, degrees: Degrees) -> Pair:
    """Send a block to the next group of the ring, and take the one from the group before."""
    return jax.lax.ppermute(blocks, CONTEXT, degrees.hops)


def _counted(
    kv_lengths: Lengths | None, length: int, step: int | Array, degrees: Degrees
) -> Lengths | None:
    """Return how many keys count of the block of `length` that is here at a step of the ring."""
    if kv_lengths is None:
        return None
    group = jax.lax.axis_index(CONTEXT) // degrees.ulysses
    first = (group - step) % degrees.ring * length
    return jnp.clip(kv_lengths - first, 0, length)


@functools.partial(jax.custom_vjp, nondiff_argnums=(4, 5))
def _ring(
    q: Heads, k: Heads, v: Heads, kv_lengths: Lengths | None, degrees: Degrees, kernel: _Kernel
) -> Heads:
    return _ring_forward(q, k, v, kv_lengths, degrees, kernel)[0]


type _Saved = tuple[Heads, Heads, Heads, Lengths | None, Heads, Statistics]


def _ring_forward(
    q: Heads, k: Heads, v: Heads, kv_lengths: Lengths | None, degrees: Degrees, kernel: _Kernel
) -> tuple[Heads, _Saved]:
    def over(step: int | Array, keys: Pair) -> _Merged:
        counted = _counted(kv_lengths, k.shape[1], step, degrees)
        return kernel.block(q, keys[0].reshape(k.shape), keys[1].reshape(v.shape), counted)

    def turn(step: Array, carry: tuple[_Merged, Pair]) -> tuple[_Merged, Pair]:
        so_far, keys = carry
        ahead = _passed_on(keys, degrees)
        return so_far.with_other(over(step, keys)), ahead

    keys = _rows(k), _rows(v)
    ahead = _passed_on(keys, degrees)
    carry = (over(0, keys), ahead)
    so_far, keys = jax.lax.fori_loop(1, degrees.ring - 1, turn, carry)
    out, lse = so_far.with_other(over(degrees.ring - 1, keys))
    out = out.astype(q.dtype)
    return out, (q, k, v, kv_lengths, out, lse)


def _ring_backward(
    degrees: Degrees, kernel: _Kernel, saved: _Saved, d_out: Heads
) -> tuple[Heads, Heads, Heads, None]:
    """Send every block around once more, behind it the sum of its gradients so far.

    A sum goes on while the next share of it is computed; after its last one it goes home.
    """
    q, k, v, kv_lengths, out, lse = saved

    def shares(step: int | Array, keys: Pair) -> tuple[Rows, Pair]:
        counted = _counted(kv_lengths, k.shape[1], step, degrees)
        block = keys[0].reshape(k.shape), keys[1].reshape(v.shape)
        d_q, d_k, d_v = kernel.gradients(q, *block, counted, out, lse, d_out)
        return _rows(d_q), (_rows(d_k), _rows(d_v))

    def turn(step: int | Array, d_q: Rows, keys: Pair, d_keys: Pair) -> tuple[Rows, Pair]:
        arrived = _passed_on(d_keys, degrees)
        more_q, more_keys = shares(step, keys)
        return d_q + more_q, jax.tree.map(jnp.add, arrived, more_keys)

    def turn_ahead(step: Array, carry: tuple[Rows, Pair, Pair]) -> tuple[Rows, Pair, Pair]:
        d_q, keys, d_keys = carry
        ahead = _passed_on(keys, degrees)
        d_q, d_keys = turn(step, d_q, keys, d_keys)
        return d_q, ahead, d_keys

    keys = _rows(k), _rows(v)
    ahead = _passed_on(keys, degrees)
    d_q, d_keys = shares(0, keys)
    carry = (d_q, ahead, d_keys)
    d_q, keys, d_keys = jax.lax.fori_loop(1, degrees.ring - 1, turn_ahead, carry)
    d_q, d_keys = turn(degrees.ring - 1, d_q, keys, d_keys)
    d_k, d_v = _passed_on((d_keys[0].astype(k.dtype), d_keys[1].astype(v.dtype)), degrees)
    return d_q.astype(q.dtype).reshape(q.shape), d_k.reshape(k.shape), d_v.reshape(v.shape), None


_ring.defvjp(_ring_forward, _ring_backward)
