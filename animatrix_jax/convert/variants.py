"""The public Wan models: what tells them apart, and the numbers that their files do not hold.

Source: the configurations of the Wan 2.2 and Wan 2.1 repositories. A checkpoint of other sizes is
counted to the variant whose structure it has.
"""

from dataclasses import dataclass, replace

from animatrix_jax.checkpoint.folder import ClipShape
from animatrix_jax.models.dit import DiTConfig
from animatrix_jax.models.experts import EXPERT_NAMES
from animatrix_jax.models.umt5 import UMT5Config
from animatrix_jax.models.vae import VAEConfig
from animatrix_jax.models.vae_presets import WAN_21, WAN_22

NEGATIVE_PROMPT = (
    "色调艳丽，过曝，静态，细节模糊不清，字幕，风格，作品，画作，画面，静止，整体发灰，最差质量，"
    "低质量，JPEG压缩残留，丑陋的，残缺的，多余的手指，画得不好的手部，画得不好的脸部，畸形的，"
    "毁容的，形态畸形的肢体，手指融合，静止不动的画面，杂乱的背景，三条腿，背景人很多，倒着走"
)
"""Wan's own negative prompt. It steers away from "style" and "painting" too: not for anime."""

WIDE_LATENTS = 48
"""Latent channels of VAE 2.2, which TI2V-5B alone has."""
WIDTH_OF_14B = 5120

UMT5_XXL = UMT5Config(256384, 4096, 10240, 64, 64, 24)
"""The text encoder of all of them."""
DIT_14B = DiTConfig(WIDTH_OF_14B, 13824, 40, 40, 16, 16, 4096, 512)
DIT_5B = DiTConfig(3072, 14336, 24, 30, WIDE_LATENTS, WIDE_LATENTS, 4096, 512)
DIT_1_3B = DiTConfig(1536, 8960, 12, 30, 16, 16, 4096, 512)


@dataclass(frozen=True)
class Variant:
    """One public model's numbers.

    `guidance` is one number or (high, low), `boundary` a shifted sigma or None for one expert,
    `reference` how a reference frame enters, `kind` the original's word for the task; `dit` and
    `vae` are the networks' sizes.
    """

    name: str
    kind: str
    shift: float
    boundary: float | None
    steps: int
    guidance: float | tuple[float, float]
    clip: ClipShape
    reference: str | None
    dit: DiTConfig
    vae: VAEConfig = WAN_21


T2V_A14B = Variant(
    "Wan 2.2 T2V-A14B", "t2v", 12.0, 0.875, 40, (4.0, 3.0), ClipShape(81, 720, 1280, 16.0), None,
    DIT_14B,
)  # fmt: skip
I2V_A14B = Variant(
    "Wan 2.2 I2V-A14B", "i2v", 5.0, 0.9, 40, (3.5, 3.5), ClipShape(81, 720, 1280, 16.0), "channels",
    replace(DIT_14B, in_channels=36),
)  # fmt: skip
TI2V_5B = Variant(
    "Wan 2.2 TI2V-5B", "ti2v", 5.0, None, 50, 5.0, ClipShape(121, 704, 1280, 24.0), "first_latent",
    DIT_5B, WAN_22,
)  # fmt: skip
T2V_14B = Variant(
    "Wan 2.1 T2V-14B", "t2v", 5.0, None, 50, 5.0, ClipShape(81, 720, 1280, 16.0), None, DIT_14B
)
T2V_1_3B = Variant(
    "Wan 2.1 T2V-1.3B", "t2v", 8.0, None, 50, 6.0, ClipShape(81, 480, 832, 16.0), None, DIT_1_3B
)
PUBLIC = {
    "t2v_a14b": T2V_A14B,
    "i2v_a14b": I2V_A14B,
    "ti2v_5b": TI2V_5B,
    "t2v_14b": T2V_14B,
    "t2v_1_3b": T2V_1_3B,
}
"""The variants by the names that configs have for them."""
VARIANTS = tuple(PUBLIC.values())


def find_variant(dit: DiTConfig, experts: tuple[str, ...]) -> Variant:
    """Return the variant of a transformer's sizes and experts.

    Raises ValueError where Wan has none of that structure.
    """
    with_reference = dit.in_channels > dit.out_channels
    if experts == EXPERT_NAMES:
        return I2V_A14B if with_reference else T2V_A14B
    if with_reference:
        raise ValueError(
            f"no Wan model that is read here has one expert and {dit.in_channels} input channels "
            f"to {dit.out_channels}: Wan 2.1's I2V has an image encoder besides"
        )
    if dit.out_channels >= WIDE_LATENTS:
        return TI2V_5B
    return T2V_14B if dit.dim >= WIDTH_OF_14B else T2V_1_3B
