"""The transformer's table: Wan's own names, sizes read off shapes, every tensor there and back."""

from dataclasses import replace

import numpy as np
import pytest

from animatrix_jax.convert.dit import config_of, rules
from animatrix_jax.convert.rules import SYSTEMS, by_foreign_name, to_foreign
from animatrix_jax.models.dit import DiTConfig
from tests.animatrix_jax.convert.tables import check_there_and_back, random_ours

CONFIG = DiTConfig(
    dim=24,
    ffn_dim=20,
    heads=2,
    layers=2,
    in_channels=5,
    out_channels=3,
    text_dim=7,
    text_length=9,
    patch=(1, 2, 3),
    freq_dim=8,
)
FOREIGN_CONFIG = {
    "wan": {"num_heads": 2, "text_len": 9},
    "diffusers": {"num_attention_heads": 2, "text_len": 9},
}
# (the original's name, diffusers' name, shape of both): one of every kind.
KNOWN = [
    ("patch_embedding.weight", "patch_embedding.weight", (24, 5, 1, 2, 3)),
    ("time_embedding.2.bias", "condition_embedder.time_embedder.linear_2.bias", (24,)),
    ("time_projection.1.weight", "condition_embedder.time_proj.weight", (144, 24)),
    ("text_embedding.0.weight", "condition_embedder.text_embedder.linear_1.weight", (24, 7)),
    ("blocks.1.modulation", "blocks.1.scale_shift_table", (1, 6, 24)),
    ("blocks.1.self_attn.norm_k.weight", "blocks.1.attn1.norm_k.weight", (24,)),
    ("blocks.1.cross_attn.o.weight", "blocks.1.attn2.to_out.0.weight", (24, 24)),
    ("blocks.0.norm3.weight", "blocks.0.norm2.weight", (24,)),
    ("blocks.0.ffn.0.weight", "blocks.0.ffn.net.0.proj.weight", (20, 24)),
    ("blocks.0.ffn.2.weight", "blocks.0.ffn.net.2.weight", (24, 20)),
    ("head.modulation", "scale_shift_table", (1, 2, 24)),
    ("head.head.weight", "proj_out.weight", (18, 24)),
]


@pytest.fixture(scope="module")
def ours() -> dict[str, np.ndarray]:
    return random_ours("high", CONFIG)


@pytest.mark.parametrize("system", SYSTEMS)
def test_every_tensor_goes_there_and_back(system: str, ours: dict[str, np.ndarray]) -> None:
    foreign = check_there_and_back(rules(CONFIG), system, ours)
    assert foreign.keys() == by_foreign_name(rules(CONFIG), system).keys()


@pytest.mark.parametrize("system", SYSTEMS)
def test_names_and_shapes_are_the_public_ones(system: str, ours: dict[str, np.ndarray]) -> None:
    foreign = to_foreign(rules(CONFIG), system, ours)
    for wan, diffusers, shape in KNOWN:
        assert foreign[{"wan": wan, "diffusers": diffusers}[system]].shape == shape


def test_both_names_of_a_tensor_hold_the_same(ours: dict[str, np.ndarray]) -> None:
    table = rules(CONFIG)
    wan, diffusers = (to_foreign(table, system, ours) for system in SYSTEMS)
    for of_wan, of_diffusers, _ in KNOWN:
        np.testing.assert_array_equal(wan[of_wan], diffusers[of_diffusers])


@pytest.mark.parametrize("system", SYSTEMS)
def test_sizes_are_read_off_shapes(system: str, ours: dict[str, np.ndarray]) -> None:
    shapes = {n: t.shape for n, t in to_foreign(rules(CONFIG), system, ours).items()}
    assert config_of(system, shapes, FOREIGN_CONFIG[system]) == CONFIG
    wide = {**shapes, "patch_embedding.weight": (256, 5, 1, 2, 3)}
    assert config_of(system, wide, {}).heads == 2


def test_what_is_not_a_wan_transformer_is_refused(ours: dict[str, np.ndarray]) -> None:
    shapes = {n: t.shape for n, t in to_foreign(rules(CONFIG), "wan", ours).items()}
    config = FOREIGN_CONFIG["wan"]
    with pytest.raises(ValueError, match=r"has no tensor head\.head\.weight"):
        config_of("wan", {n: s for n, s in shapes.items() if n != "head.head.weight"}, config)
    with pytest.raises(ValueError, match=r"patch_embedding\.weight has 2 dims, not 5"):
        config_of("wan", {**shapes, "patch_embedding.weight": (24, 5)}, config)
    with pytest.raises(ValueError, match="does not tell the number of heads"):
        config_of("wan", shapes, {})
    with pytest.raises(ValueError, match=r"img_emb\.proj\.0\.weight belongs to a branch for image"):
        config_of("wan", {**shapes, "img_emb.proj.0.weight": (3,)}, config)
    with pytest.raises(ValueError, match=r"none of Wan's: it has absolute positions and has a rot"):
        rules(replace(CONFIG, absolute_positions=True, rope_base=100.0))


def test_the_norms_are_not_swapped() -> None:
    for system, name in (("wan", "blocks.0.norm3.weight"), ("diffusers", "blocks.0.norm2.weight")):
        rule = by_foreign_name(rules(CONFIG), system)[name]
        assert rule.ours == "dit.blocks.0.cross_norm.scale"
