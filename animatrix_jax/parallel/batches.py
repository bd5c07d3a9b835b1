"""A global batch made of what every process reads: who reads which samples, and where they go."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import jax
import numpy as np
from jax.sharding import AbstractMesh, Mesh

from animatrix_jax.parallel.mesh import BATCH_AXES
from animatrix_jax.parallel.partition import batch_sharding

SAMPLED = 2
"""Samples go to the two experts in turn; a model of one expert takes all."""


@dataclass(frozen=True)
class BatchPlacement:
    """A batch of `size` samples laid out [experts, size/experts, …] on a mesh.

    Raises ValueError where the mesh does not divide it into parts of whole samples.
    """

    mesh: Mesh | AbstractMesh
    size: int
    experts: int

    def __post_init__(self) -> None:
        """Check that every device gets as many samples."""
        shards = int(np.prod([self.mesh.shape[axis] for axis in BATCH_AXES]))
        if self.size % (self.experts * shards):
            raise ValueError(
                f"a batch of {self.size} samples is not divided by {self.experts} experts and the "
                f"{shards} devices of the mesh's {' × '.join(BATCH_AXES)}: use a multiple of "
                f"{self.experts * shards}"
            )
        if self.experts % self.mesh.shape["expert"]:
            raise ValueError(
                f"a mesh whose expert axis has {self.mesh.shape['expert']} devices is for a model "
                f"of as many experts, and this one has {self.experts}"
            )

    @property
    def rows(self) -> int:
        """Samples of an expert."""
        return self.size // self.experts

    @cached_property
    def places(self) -> tuple[int, ...] | None:
        """The samples of a batch that this process reads, by their place in it; None for all.

        They stand in the order in which the experts take them.
        """
        shape = (self.experts, self.rows)
        held = np.zeros(shape, bool)
        for index in batch_sharding(self.mesh).addressable_devices_indices_map(shape).values():
            held[index] = True
        if held.all():
            return None
        if self.experts < SAMPLED:
            return tuple(np.flatnonzero(held[0]).tolist())
        experts, rows = held.any(axis=1).nonzero()[0], held.any(axis=0).nonzero()[0]
        return tuple(int(row * SAMPLED + expert) for row in rows for expert in experts)

    def put(self, x: Any) -> jax.Array:
        """Return an array of what this process has read, [experts, samples, …], on the mesh.

        What is read for two experts serves a model of one in a row.
        """
        if self.experts == 1:
            x = x.reshape(1, -1, *x.shape[2:])
        sharding = batch_sharding(self.mesh)
        if sharding.is_fully_addressable:
            return jax.device_put(x, sharding)
        shape = (self.experts, self.rows, *x.shape[2:])
        return jax.make_array_from_process_local_data(sharding, np.asarray(x), shape)
