"""What the torch scripts share: modules with our random weights, run in float32 and float64."""

import contextlib
from collections.abc import Callable, Iterator
from unittest import mock

import numpy as np
import torch

from tests.parity.case import relative_l2
from tests.parity.weights import random_tensors


def shapes_of(module: torch.nn.Module) -> dict[str, list[int]]:
    """Return names and shapes of everything that a checkpoint of the module holds."""
    return {name: list(tensor.shape) for name, tensor in module.state_dict().items()}


def fill(module: torch.nn.Module, seed: int) -> torch.nn.Module:
    """Give a module the random weights of its names and a seed."""
    tensors = random_tensors({n: tuple(s) for n, s in shapes_of(module).items()}, seed)
    module.load_state_dict({name: torch.from_numpy(t) for name, t in tensors.items()})
    return module.eval()


@torch.no_grad()
def with_own_error(
    module: torch.nn.Module, run: Callable[[torch.nn.Module, torch.dtype], torch.Tensor]
) -> tuple[np.ndarray, float]:
    """Return a float32 run's output and its relative L2 error against a float64 run.

    `run(module, dtype)` casts its inputs to dtype.
    """
    narrow = run(module.float(), torch.float32).numpy()
    with float_means_double():
        wide = run(module.double(), torch.float64).numpy()
    module.float()
    assert wide.dtype == np.float64
    return narrow, relative_l2(narrow, wide)


@contextlib.contextmanager
def float_means_double() -> Iterator[None]:
    """Let a module's inner casts to float32 go to float64."""
    with mock.patch.object(torch.Tensor, "float", torch.Tensor.double):
        yield
