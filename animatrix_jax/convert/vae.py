"""The table of the Wan VAEs' tensors, and their sizes read from a foreign checkpoint.

`wan` numbers a half's blocks through (2.1: downsamples.N) or level by level (2.2:
downsamples.I.downsamples.J); `diffusers` numbers 2.1's encoder through and the rest by level.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import isqrt
from typing import Any

from animatrix_jax.convert.rules import Rule
from animatrix_jax.models.vae import VAEConfig
from animatrix_jax.models.vae_presets import NORM_EPS, WAN_21, WAN_22

CONV = "o i t h w -> t h w i o"
FLAT_CONV = "o i h w -> 1 h w i o"
DENSE = "o i 1 1 -> i o"
GAIN = "c 1 1 1 -> c"
FOLDED_IN = "o (c r q) t h w -> t h w (q r c) o"
FOLDED_OUT = "(c r q) i t h w -> t h w i (q r c)"
FOLDED_BIAS = "(c r q) -> (q r c)"

Names = tuple[str, str, str]
"""A place in the network by its name in our system, in `wan` and in `diffusers`."""

Shapes = Mapping[str, tuple[int, ...]]


@dataclass(frozen=True)
class _Marks:
    """The names that a system's checkpoints tell their sizes by."""

    conv_in: str
    moments: str
    head_norm: str
    blocks: str
    last_conv: str


MARKS = {
    "wan": _Marks("encoder.conv1", "conv1", "decoder.head.0", "encoder.downsamples", "residual.6"),
    "diffusers": _Marks(
        "encoder.conv_in", "quant_conv", "decoder.norm_out", "encoder.down_blocks", "conv2"
    ),
}


def rules(config: VAEConfig) -> tuple[Rule, ...]:
    """Return every tensor's rule; ValueError, saying why, for a VAE that is not Wan's."""
    if reasons := not_wans(config):
        raise ValueError(f"this VAE is none of Wan's: it {' and '.join(reasons)}")
    return (*_encoder(config), *_decoder(config))


def not_wans(c: VAEConfig) -> list[str]:
    """Return what a VAE has that none of Wan's does, as ends of a sentence."""
    reasons = {
        "has a linear path": c.linear_path,
        "upsamples to the next level's width": c.resampling == "next",
        "leaves space alone between two levels": any(space != 2 for _, space in c.strides),
        "has convolutions not of three frames": any(taps != 3 for taps in c.temporal_kernels),
    }
    return [reason for reason, holds in reasons.items() if holds]


def _encoder(c: VAEConfig) -> Iterator[Rule]:
    half = ("encoder", "encoder", "encoder")
    folds = {"r": c.patch, "q": c.patch}
    yield from _layer(_in(half, "conv_in", "conv1", "conv_in"), FOLDED_IN, sizes=folds)
    dims = [c.base_dim * times for times in (1, *c.multipliers)]
    number = 0
    for level in range(len(c.multipliers)):
        nested = c.resampling == "residual"
        for block in range(c.res_blocks):
            ours = f"level{level}_{block}"
            place = _in(half, ours, f"downsamples.{number}", f"down_blocks.{number}")
            if nested:
                wan = f"downsamples.{level}.downsamples.{block}"
                place = _in(half, ours, wan, f"down_blocks.{level}.resnets.{block}")
            widens = block == 0 and dims[level] != dims[level + 1]
            yield from _block(place, widens)
            number += 1
        if level == len(c.strides):
            break
        place = _in(half, f"down{level}", f"downsamples.{number}", f"down_blocks.{number}")
        if nested:
            wan = f"downsamples.{level}.downsamples.{c.res_blocks}"
            place = _in(half, f"down{level}", wan, f"down_blocks.{level}.downsampler")
        yield from _downsample(place, c.strides[level][0])
        number += 1
    yield from _middle_and_head(half)
    yield from _layer(_in(half, "head", "head.2", "conv_out"))
    yield from _layer(("moments", "conv1", "quant_conv"))


def _decoder(c: VAEConfig) -> Iterator[Rule]:
    half = ("decoder", "decoder", "decoder")
    yield from _layer(("unmoments", "conv2", "post_quant_conv"))
    yield from _layer(_in(half, "conv_in", "conv1", "conv_in"))
    number, width = 0, c.decoder_dims[-1]
    for index, level in enumerate(reversed(range(len(c.multipliers)))):
        nested = c.resampling == "residual"
        for block in range(c.res_blocks + 1):
            wan = f"upsamples.{index}.upsamples.{block}" if nested else f"upsamples.{number}"
            place = _in(half, f"level{level}_{block}", wan, f"up_blocks.{index}.resnets.{block}")
            yield from _block(place, block == 0 and width != c.decoder_dims[level])
            number += 1
        if level:
            wan = f"upsamples.{number}"
            theirs = f"up_blocks.{index}.upsamplers.0"
            if nested:
                wan = f"upsamples.{index}.upsamples.{c.res_blocks + 1}"
                theirs = f"up_blocks.{index}.upsampler"
            yield from _upsample(_in(half, f"up{level}", wan, theirs), c.strides[level - 1][0])
            number += 1
        width = c.decoder_dims[level] // (1 if nested else 2)
    yield from _middle_and_head(half)
    folds = {"r": c.patch, "q": c.patch}
    head = _in(half, "head", "head.2", "conv_out")
    yield from _layer(head, FOLDED_OUT, bias_form=FOLDED_BIAS, sizes=folds)


def _middle_and_head(half: Names) -> Iterator[Rule]:
    yield from _block(_in(half, "middle0", "middle.0", "mid_block.resnets.0"), False)
    attention = _in(half, "middle_attention", "middle.1", "mid_block.attentions.0")
    yield _gain(_in(attention, "norm", "norm", "norm"), "c 1 1 -> c")
    yield from _layer(_in(attention, "qkv", "to_qkv", "to_qkv"), DENSE)
    yield from _layer(_in(attention, "out", "proj", "proj"), DENSE)
    yield from _block(_in(half, "middle1", "middle.2", "mid_block.resnets.1"), False)
    yield _gain(_in(half, "head_norm", "head.0", "norm_out"))


def _block(place: Names, widens: bool) -> Iterator[Rule]:
    yield _gain(_in(place, "norm1", "residual.0", "norm1"))
    yield from _layer(_in(place, "conv1", "residual.2", "conv1"))
    yield _gain(_in(place, "norm2", "residual.3", "norm2"))
    yield from _layer(_in(place, "conv2", "residual.6", "conv2"))
    if widens:
        yield from _layer(_in(place, "shortcut", "shortcut", "conv_shortcut"))


def _downsample(place: Names, time: int) -> Iterator[Rule]:
    kinds = [("space", "resample.1", "o i h w -> h w i o")]
    if time == 2:
        kinds.append(("time", "time_conv", "o i t 1 1 -> (t i) o"))
    for kind, theirs, form in kinds:
        for leaf, name, how in (("kernel", "weight", form), ("bias", "bias", "o -> o")):
            names = _in(place, f"{kind}_{leaf}", f"{theirs}.{name}", f"{theirs}.{name}")
            yield Rule(*names, how, {"t": 3})


def _upsample(place: Names, time: int) -> Iterator[Rule]:
    if time == 2:
        yield from _layer(_in(place, "time", "time_conv", "time_conv"))
    yield from _layer(_in(place, "space", "resample.1", "resample.1"), FLAT_CONV)


def _layer(
    place: Names,
    form: str = CONV,
    bias_form: str = "o -> o",
    sizes: Mapping[str, int] | None = None,
) -> Iterator[Rule]:
    yield Rule(*_in(place, "kernel", "weight", "weight"), form, sizes or {})
    yield Rule(*_in(place, "bias", "bias", "bias"), bias_form, sizes or {})


def _gain(place: Names, form: str = GAIN) -> Rule:
    return Rule(*_in(place, "gain", "gamma", "gamma"), form)


def _in(place: Names, ours: str, wan: str, diffusers: str) -> Names:
    return (f"{place[0]}.{ours}", f"{place[1]}.{wan}", f"{place[2]}.{diffusers}")


def config_of(system: str, shapes: Shapes, foreign_config: Mapping[str, Any]) -> VAEConfig:
    """Return the sizes of a VAE from its tensors' names and shapes in `wan` or `diffusers`.

    Its latents' statistics are `foreign_config`'s `latents_mean` and `latents_std`, and otherwise
    those of Wan's VAE of its kind and latent width. Raises KeyError where a tensor is missing, and
    ValueError where the statistics are not known.
    """
    marks = MARKS[system]
    base_dim, channels = shapes[f"{marks.conv_in}.weight"][:2]
    dims, res_blocks, strides, nested = _levels(marks, shapes)
    decoder_dim = shapes[f"{marks.head_norm}.gamma"][0] * base_dim // dims[0]
    z_dim = shapes[f"{marks.moments}.weight"][0] // 2
    preset = WAN_22 if nested else WAN_21
    mean, std = _statistics(preset, z_dim, foreign_config)
    return VAEConfig(
        base_dim=base_dim,
        z_dim=z_dim,
        multipliers=tuple(dim // base_dim for dim in dims),
        res_blocks=res_blocks,
        strides=strides,
        temporal_kernels=(3,) * len(dims),
        patch=isqrt(channels // 3),
        latents_mean=mean,
        latents_std=std,
        decoder_dim=None if decoder_dim == base_dim else decoder_dim,
        resampling=preset.resampling,
        norm_eps=NORM_EPS,
    )


def _levels(
    marks: _Marks, shapes: Shapes
) -> tuple[list[int], int, tuple[tuple[int, int], ...], bool]:
    """The encoder's width at each level, its blocks a level, its strides, and whether it nests."""
    blocks = {place: shapes[name][0] for place, name in _places(marks, shapes, marks.last_conv)}
    downs = {
        place: 2 if name.replace("resample.1", "time_conv") in shapes else 1
        for place, name in _places(marks, shapes, "resample.1")
    }
    nested = any(len(place) > 1 for place in blocks)
    widths = {
        place[0] if nested else sum(down < place for down in downs): width
        for place, width in blocks.items()
    }
    dims = [widths[level] for level in range(len(downs) + 1)]
    strides = tuple((downs[place], 2) for place in sorted(downs))
    return dims, len(blocks) // len(dims), strides, nested


def _places(marks: _Marks, shapes: Shapes, ending: str) -> Iterator[tuple[tuple[int, ...], str]]:
    """Yield the numbers in, and the name of, each of the encoder's weights called `ending`."""
    start, end = f"{marks.blocks}.", f".{ending}.weight"
    for name in shapes:
        if name.startswith(start) and name.endswith(end):
            inner = name.removeprefix(start).removesuffix(end)
            yield tuple(int(part) for part in inner.split(".") if part.isdigit()), name


def _statistics(
    preset: VAEConfig, z_dim: int, foreign_config: Mapping[str, Any]
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    told = [tuple(foreign_config.get(name) or ()) for name in ("latents_mean", "latents_std")]
    if not any(told) and z_dim == preset.z_dim:
        return preset.latents_mean, preset.latents_std
    if any(len(numbers) != z_dim for numbers in told):
        raise ValueError(
            f"a VAE of {z_dim} latent channels needs {z_dim} numbers latents_mean and latents_std "
            f"in its config.json, not {len(told[0])} and {len(told[1])}"
        )
    return told[0], told[1]
