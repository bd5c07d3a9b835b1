"""Random weights and inputs that both sides of a comparison make for themselves: NumPy only.

Every array has its own generator, seeded by its name, so that neither order nor the other
arrays matter.
"""

import hashlib
from collections.abc import Mapping

import numpy as np

GAINS = ("norm", "gamma", "gain")
ROWS = (
    "shared.weight",
    "embed_tokens.weight",
    "token_embedding.weight",
    "relative_attention_bias.weight",
    "pos_embedding.embedding.weight",
)
TABLES = ("modulation", "scale_shift_table")


def random_array(name: str, shape: tuple[int, ...], seed: int) -> np.ndarray:
    """Return standard normal float32 values of a name and a seed."""
    return _generator(name, seed).standard_normal(shape).astype(np.float32)


def random_tensors(shapes: Mapping[str, tuple[int, ...]], seed: int) -> dict[str, np.ndarray]:
    """Return float32 weights by their foreign name, in torch's layout, of non-trivial scales.

    Matrices and convolutions deviate by 0.7 to 1.3 times 1/√fan_in, rows of embeddings by 1,
    modulation tables by 0.3, biases by 0.2, and gains by 0.2 about 1.
    """
    return {name: _tensor(name, tuple(shape), seed) for name, shape in shapes.items()}


def _tensor(name: str, shape: tuple[int, ...], seed: int) -> np.ndarray:
    random = _generator(name, seed)
    spread, centre = 0.2, 0.0
    fan_in = int(np.prod(shape[1:]))
    last = name.split(".")[-1]
    if last in TABLES:
        spread = 0.3
    elif last == "bias":
        spread = 0.2
    elif name.endswith(ROWS):
        spread = 1.0
    elif fan_in == 1 and (last in GAINS or any(word in name for word in GAINS)):
        centre = 1.0
    elif len(shape) > 1:
        spread = random.uniform(0.7, 1.3) / np.sqrt(fan_in)
    return (centre + spread * random.standard_normal(shape)).astype(np.float32)


def _generator(name: str, seed: int) -> np.random.Generator:
    key = hashlib.sha256(f"{seed} {name}".encode()).digest()
    return np.random.Generator(np.random.Philox(key=np.frombuffer(key[:16], np.uint64)))
