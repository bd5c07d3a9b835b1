"""The VAEs' table reads both ways, and tells sizes from names and shapes."""

from dataclasses import replace

import numpy as np
import pytest

from animatrix_jax.convert.networks import foreign_shape, network_of
from animatrix_jax.convert.rules import SYSTEMS, by_foreign_name
from animatrix_jax.convert.vae import config_of, rules
from animatrix_jax.models.vae import VAEConfig
from animatrix_jax.models.vae_presets import WAN_21, WAN_22
from tests.animatrix_jax.convert.tables import check_there_and_back, random_ours

SMALL = replace(
    WAN_21,
    base_dim=4,
    z_dim=2,
    multipliers=(1, 1, 3),
    res_blocks=1,
    strides=((2, 2), (1, 2)),
    temporal_kernels=(3, 3, 3),
    latents_mean=(0.5, 1.0),
    latents_std=(2.0, 3.0),
)
RESIDUAL = replace(
    SMALL, multipliers=(1, 2, 2), decoder_dim=6, patch=2, resampling="residual", res_blocks=2
)
CONFIGS = pytest.mark.parametrize("config", [SMALL, RESIDUAL], ids=["2.1", "2.2"])
BOTH = pytest.mark.parametrize("system", SYSTEMS)


def foreign_shapes(config: VAEConfig, system: str) -> dict[str, tuple[int, ...]]:
    shapes = network_of("vae").shapes(config)
    named = by_foreign_name(rules(config), system)
    return {name: foreign_shape(rule, shapes[rule.ours]) for name, rule in named.items()}


@CONFIGS
@BOTH
def test_out_and_in_again_is_the_same(config: VAEConfig, system: str) -> None:
    ours = random_ours("vae", config)
    foreign = check_there_and_back(rules(config), system, ours)
    assert {name: tensor.shape for name, tensor in foreign.items()} == foreign_shapes(
        config, system
    )


@pytest.mark.parametrize(
    "config", [SMALL, RESIDUAL, WAN_21, WAN_22], ids=["small 2.1", "small 2.2", "2.1", "2.2"]
)
@BOTH
def test_sizes_are_read_from_shapes(config: VAEConfig, system: str) -> None:
    said = {}
    if config.z_dim == 2:
        said = {"latents_mean": [0.5, 1.0], "latents_std": [2.0, 3.0]}
    assert config_of(system, foreign_shapes(config, system), said) == config


def test_pixels_of_a_patch_change_their_order() -> None:
    table = {rule.ours: rule for rule in rules(RESIDUAL)}
    theirs = np.arange(12.0).reshape(1, 12, 1, 1, 1)
    ours = table["encoder.conv_in.kernel"].to_ours(theirs).reshape(2, 2, 3)
    for colour, column, row in np.ndindex(3, 2, 2):
        assert ours[row, column, colour] == 4 * colour + 2 * column + row
    bias = table["decoder.head.bias"].to_ours(np.arange(12.0))
    np.testing.assert_array_equal(bias, ours.reshape(-1))


@pytest.mark.parametrize(
    ("config", "why"),
    [
        (replace(SMALL, linear_path=True), "has a linear path"),
        (replace(SMALL, resampling="next"), "upsamples to the next level's width"),
        (replace(SMALL, strides=((2, 1), (1, 2))), "leaves space alone between two levels"),
        (replace(SMALL, temporal_kernels=(1, 3, 3)), "has convolutions not of three frames"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_wan_has_not_is_refused(config: VAEConfig, why: str) -> None:
    with pytest.raises(ValueError, match=f"this VAE is none of Wan's: it {why}"):
        rules(config)


def test_unknown_statistics_are_refused() -> None:
    shapes = foreign_shapes(SMALL, "wan")
    with pytest.raises(ValueError, match=r"2 latent channels needs 2 numbers .*, not 0 and 0"):
        config_of("wan", shapes, {})
    with pytest.raises(ValueError, match="not 2 and 3"):
        config_of("wan", shapes, {"latents_mean": [0, 0], "latents_std": [1, 1, 1]})


def test_a_missing_tensor_is_named() -> None:
    shapes = foreign_shapes(SMALL, "diffusers")
    del shapes["quant_conv.weight"]
    with pytest.raises(KeyError, match=r"quant_conv\.weight"):
        config_of("diffusers", shapes, {})
