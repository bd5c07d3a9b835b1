"""The text encoder's table: public names, sizes read off shapes, every tensor there and back."""

import numpy as np
import pytest

from animatrix_jax.convert.rules import SYSTEMS, by_foreign_name, to_foreign
from animatrix_jax.convert.umt5 import config_of, rules
from animatrix_jax.models.umt5 import UMT5Config
from tests.animatrix_jax.convert.tables import check_there_and_back, random_ours

CONFIG = UMT5Config(vocab=30, dim=12, ffn_dim=20, heads=3, head_dim=5, layers=2, buckets=8)
ATTENTION = "encoder.block.1.layer.0.SelfAttention"
KNOWN = [
    ("token_embedding.weight", "shared.weight", (30, 12)),
    ("blocks.1.norm1.weight", "encoder.block.1.layer.0.layer_norm.weight", (12,)),
    ("blocks.1.attn.q.weight", f"{ATTENTION}.q.weight", (15, 12)),
    ("blocks.1.attn.o.weight", f"{ATTENTION}.o.weight", (12, 15)),
    (
        "blocks.1.pos_embedding.embedding.weight",
        f"{ATTENTION}.relative_attention_bias.weight",
        (8, 3),
    ),
    ("blocks.0.ffn.gate.0.weight", "encoder.block.0.layer.1.DenseReluDense.wi_0.weight", (20, 12)),
    ("blocks.0.ffn.fc1.weight", "encoder.block.0.layer.1.DenseReluDense.wi_1.weight", (20, 12)),
    ("blocks.0.ffn.fc2.weight", "encoder.block.0.layer.1.DenseReluDense.wo.weight", (12, 20)),
    ("norm.weight", "encoder.final_layer_norm.weight", (12,)),
]


@pytest.fixture(scope="module")
def ours() -> dict[str, np.ndarray]:
    return random_ours("text_encoder", CONFIG)


@pytest.mark.parametrize("system", SYSTEMS)
def test_every_tensor_goes_there_and_back(system: str, ours: dict[str, np.ndarray]) -> None:
    foreign = check_there_and_back(rules(CONFIG), system, ours)
    assert foreign.keys() == by_foreign_name(rules(CONFIG), system).keys()


def test_names_and_shapes_are_the_public_ones(ours: dict[str, np.ndarray]) -> None:
    wan, diffusers = (to_foreign(rules(CONFIG), system, ours) for system in SYSTEMS)
    for of_wan, of_diffusers, shape in KNOWN:
        assert wan[of_wan].shape == shape
        np.testing.assert_array_equal(wan[of_wan], diffusers[of_diffusers])


@pytest.mark.parametrize("system", SYSTEMS)
def test_sizes_are_read_off_shapes(system: str, ours: dict[str, np.ndarray]) -> None:
    foreign = to_foreign(rules(CONFIG), system, ours)
    shapes = {name: tensor.shape for name, tensor in foreign.items()}
    assert config_of(system, shapes, {}) == CONFIG
    distance = {"relative_attention_max_distance": 40}
    assert config_of(system, shapes, distance).max_distance == 40
    first = {"wan": "token_embedding.weight", "diffusers": "shared.weight"}[system]
    with pytest.raises(ValueError, match=f"the text encoder has no tensor {first}"):
        config_of(system, {n: s for n, s in shapes.items() if n != first}, {})
    with pytest.raises(ValueError, match=f"tensor {first} has 1 dims, not 2"):
        config_of(system, {**shapes, first: (3,)}, {})
