from dataclasses import replace

import pytest

from animatrix_jax.convert.variants import VARIANTS, find_variant
from animatrix_jax.diffusion.schedule import Schedule
from animatrix_jax.models.dit import DiTConfig

A14B = DiTConfig(5120, 13824, 40, 40, 16, 16, 4096, 512)
BOTH, ONE = ("high", "low"), ("transformer",)


@pytest.mark.parametrize(
    ("dit", "experts", "name"),
    [
        (A14B, BOTH, "Wan 2.2 T2V-A14B"),
        (replace(A14B, in_channels=36), BOTH, "Wan 2.2 I2V-A14B"),
        (DiTConfig(3072, 14336, 24, 30, 48, 48, 4096, 512), ONE, "Wan 2.2 TI2V-5B"),
        (A14B, ONE, "Wan 2.1 T2V-14B"),
        (DiTConfig(1536, 8960, 12, 30, 16, 16, 4096, 512), ONE, "Wan 2.1 T2V-1.3B"),
    ],
)
def test_public_sizes_are_recognised(dit: DiTConfig, experts: tuple[str, ...], name: str) -> None:
    assert find_variant(dit, experts).name == name


def test_a_structure_that_wan_has_not_is_refused() -> None:
    with pytest.raises(ValueError, match="one expert and 36 input channels to 16"):
        find_variant(replace(A14B, in_channels=36), ONE)


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda variant: variant.name)
def test_numbers_are_ones_a_model_can_have(variant) -> None:
    Schedule(variant.shift, variant.boundary)
    assert variant.clip.frames % 4 == 1
    assert variant.clip.height % 16 == 0 == variant.clip.width % 16
