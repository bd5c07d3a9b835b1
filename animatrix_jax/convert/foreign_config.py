"""The small JSON files of foreign folders, written from a model card and read into one."""

from dataclasses import replace
from math import isfinite
from pathlib import Path
from typing import Any

from animatrix_data.settings import near
from animatrix_jax.checkpoint.folder import ModelCard
from animatrix_jax.convert import dit, vae
from animatrix_jax.convert.layouts import LAST_FILE, MODEL_INDEX, PLACES, SCHEDULER
from animatrix_jax.convert.tensors import read_json
from animatrix_jax.convert.variants import (
    NEGATIVE_PROMPT,
    PUBLIC,
    UMT5_XXL,
    Variant,
    find_variant,
)
from animatrix_jax.diffusion.schedule import Schedule
from animatrix_jax.models.animatrix import AniMatrixConfig
from animatrix_jax.models.dit import DiTConfig
from animatrix_jax.models.experts import EXPERT_NAMES, expert_names
from animatrix_jax.models.umt5 import UMT5Config
from animatrix_jax.models.vae import VAEConfig

DIFFUSERS_VERSION = "0.35.0"
COMPUTE = "bfloat16"

Said = tuple[float | None, float | None]
"""The shift and the boundary that a folder's own files tell, None where they do not."""


def read_schedule(folder: Path, layout: str) -> Said:
    """Return what a foreign folder says of its schedule: the original's files say nothing.

    Raises ValueError where it says something else than numbers.
    """
    if layout != "diffusers":
        return None, None
    shift = _number(folder / SCHEDULER, "flow_shift")
    if shift is None:
        shift = _number(folder / SCHEDULER, "shift")
    return shift, _number(folder / MODEL_INDEX, "boundary_ratio")


def _number(path: Path, key: str) -> float | None:
    """Return a number in a JSON file; None where there is no such file, or it says none."""
    value = read_json(path).get(key) if path.is_file() else None
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
        raise ValueError(f"{path}: {key} is {value!r}, not a number")
    return float(value)


def card_of(
    layout: str, configs: dict[str, Any], experts: tuple[str, ...], said: Said = (None, None)
) -> ModelCard:
    """Return the card of a model from a foreign folder, whose networks have `configs` by part.

    What the files did not say is the variant's. Transformer and text encoder compute in bfloat16,
    as Wan's do. Raises ValueError where no variant has such a transformer.
    """
    vae, text_encoder = configs.get("vae"), configs.get("text_encoder")
    if text_encoder is not None:
        text_encoder = replace(text_encoder, dtype=COMPUTE)
    if not experts:
        return ModelCard(vae=vae, text_encoder=text_encoder, tokenizer="files")
    dit = replace(configs[experts[0]], dtype=COMPUTE)
    variant = find_variant(dit, experts)
    shift, boundary = said
    if variant.boundary is None or boundary is None:
        boundary = variant.boundary
    return ModelCard(
        vae=vae,
        text_encoder=text_encoder,
        transformer=AniMatrixConfig(dit, None),
        schedule=Schedule(shift=variant.shift if shift is None else shift, boundary=boundary),
        clip=variant.clip,
        tokenizer="files",
        reference=variant.reference,
        guidance_text=variant.guidance,
        negative=NEGATIVE_PROMPT,
        steps=variant.steps,
        note=f"{variant.name}, from the {layout} layout. "
        "The negative text is Wan's own, which steers away from style and painting: for anime "
        "give another.",
    )


def public_card(name: str) -> ModelCard:
    """Return the card that a public model has once it is converted; ValueError for another name."""
    if name not in PUBLIC:
        raise ValueError(f"there is no public model {name!r}{near(name, PUBLIC)}")
    variant = PUBLIC[name]
    experts = expert_names(variant.boundary)
    configs = {"vae": variant.vae, "text_encoder": UMT5_XXL, experts[0]: variant.dit}
    return card_of("wan", configs, experts)


def check_is_wan(card: ModelCard, layout: str) -> None:
    """Raise ValueError, saying why, where a model has what Wan's networks cannot express."""
    reasons = []
    if card.transformer is not None:
        prediction = card.transformer.prediction
        if prediction != "velocity":
            reasons.append(f"its transformer predicts {prediction!r}, not velocity")
        reasons += [f"its transformer {reason}" for reason in dit.not_wans(card.transformer.dit)]
    if card.vae is not None:
        reasons += [f"its VAE {reason}" for reason in vae.not_wans(card.vae)]
    if reasons:
        raise ValueError(f"this model cannot be written as {layout}: {', '.join(reasons)}")


def config_files(
    card: ModelCard, layout: str, parts: tuple[str, ...], tokenizer: bool = True
) -> dict[str, Any]:
    """Return the JSON files of a foreign folder by path, the one to be written last at the end.

    `tokenizer` says whether the folder gets a tokenizer's files.
    """
    experts = tuple(part for part in parts if part in (*EXPERT_NAMES, "transformer"))
    variant = None
    if experts:
        assert card.transformer is not None
        variant = find_variant(card.transformer.dit, experts)
    if layout == "wan":
        return _wan_files(card, experts, variant)
    return _diffusers_files(card, parts, experts, tokenizer)


def _wan_files(
    card: ModelCard, experts: tuple[str, ...], variant: Variant | None
) -> dict[str, Any]:
    files: dict[str, Any] = {}
    for expert in experts:
        assert variant is not None and card.transformer is not None
        path = Path(PLACES["wan"][expert].folder) / "config.json"
        files[path.as_posix()] = _wan_transformer(card.transformer.dit, variant.kind)
    task = {"i2v": "image-to-video", "ti2v": "text-to-video"}.get(variant.kind if variant else "")
    files[LAST_FILE["wan"]] = {
        "framework": "Pytorch",
        "task": f"{task or 'text-to-video'}-synthesis",
    }
    return files


def _wan_transformer(dit: DiTConfig, kind: str) -> dict[str, Any]:
    return {
        "_class_name": "WanModel",
        "_diffusers_version": DIFFUSERS_VERSION,
        "dim": dit.dim,
        "eps": dit.eps,
        "ffn_dim": dit.ffn_dim,
        "freq_dim": dit.freq_dim,
        "in_dim": dit.in_channels,
        "model_type": kind,
        "num_heads": dit.heads,
        "num_layers": dit.layers,
        "out_dim": dit.out_channels,
        "text_len": dit.text_length,
    }


def _diffusers_files(
    card: ModelCard, parts: tuple[str, ...], experts: tuple[str, ...], tokenizer: bool
) -> dict[str, Any]:
    files: dict[str, Any] = {}
    for expert in experts:
        assert card.transformer is not None
        path = f"{PLACES['diffusers'][expert].folder}/config.json"
        files[path] = _diffusers_transformer(card.transformer.dit)
    if "vae" in parts and card.vae is not None:
        files["vae/config.json"] = _diffusers_vae(card.vae)
    if "text_encoder" in parts and card.text_encoder is not None:
        files["text_encoder/config.json"] = _text_encoder(card.text_encoder)
    if card.schedule is not None:
        files[SCHEDULER] = _scheduler(card.schedule)
    files[MODEL_INDEX] = _model_index(card, parts, experts, tokenizer)
    return files


def _diffusers_transformer(dit: DiTConfig) -> dict[str, Any]:
    return {
        "_class_name": "WanTransformer3DModel",
        "_diffusers_version": DIFFUSERS_VERSION,
        "added_kv_proj_dim": None,
        "attention_head_dim": dit.head_dim,
        "cross_attn_norm": True,
        "eps": dit.eps,
        "ffn_dim": dit.ffn_dim,
        "freq_dim": dit.freq_dim,
        "image_dim": None,
        "in_channels": dit.in_channels,
        "num_attention_heads": dit.heads,
        "num_layers": dit.layers,
        "out_channels": dit.out_channels,
        "patch_size": list(dit.patch),
        "qk_norm": "rms_norm_across_heads",
        "rope_max_seq_len": 1024,
        "text_dim": dit.text_dim,
    }


def _diffusers_vae(vae: VAEConfig) -> dict[str, Any]:
    return {
        "_class_name": "AutoencoderKLWan",
        "_diffusers_version": DIFFUSERS_VERSION,
        "attn_scales": [],
        "base_dim": vae.base_dim,
        "decoder_base_dim": vae.decoder_dim,
        "dim_mult": list(vae.multipliers),
        "dropout": 0.0,
        "in_channels": 3 * vae.patch**2,
        "is_residual": vae.resampling == "residual",
        "latents_mean": list(vae.latents_mean),
        "latents_std": list(vae.latents_std),
        "num_res_blocks": vae.res_blocks,
        "out_channels": 3 * vae.patch**2,
        "patch_size": vae.patch if vae.patch > 1 else None,
        "scale_factor_spatial": vae.space_stride,
        "scale_factor_temporal": vae.time_stride,
        "temperal_downsample": [time == 2 for time, _ in vae.strides],
        "z_dim": vae.z_dim,
    }


def _text_encoder(encoder: UMT5Config) -> dict[str, Any]:
    return {
        "architectures": ["UMT5EncoderModel"],
        "model_type": "umt5",
        "d_ff": encoder.ffn_dim,
        "d_kv": encoder.head_dim,
        "d_model": encoder.dim,
        "dense_act_fn": "gelu_new",
        "dropout_rate": 0.1,
        "eos_token_id": 1,
        "feed_forward_proj": "gated-gelu",
        "is_encoder_decoder": True,
        "is_gated_act": True,
        "layer_norm_epsilon": 1e-6,
        "num_heads": encoder.heads,
        "num_layers": encoder.layers,
        "pad_token_id": 0,
        "relative_attention_max_distance": encoder.max_distance,
        "relative_attention_num_buckets": encoder.buckets,
        "tie_word_embeddings": False,
        "vocab_size": encoder.vocab,
    }


def _scheduler(schedule: Schedule) -> dict[str, Any]:
    return {
        "_class_name": "UniPCMultistepScheduler",
        "_diffusers_version": DIFFUSERS_VERSION,
        "final_sigmas_type": "zero",
        "flow_shift": schedule.shift,
        "lower_order_final": True,
        "num_train_timesteps": 1000,
        "predict_x0": True,
        "prediction_type": "flow_prediction",
        "solver_order": 2,
        "solver_type": "bh2",
        "thresholding": False,
        "timestep_spacing": "linspace",
        "use_flow_sigmas": True,
    }


def _model_index(
    card: ModelCard, parts: tuple[str, ...], experts: tuple[str, ...], tokenizer: bool
) -> dict[str, Any]:
    absent = [None, None]
    with_text = "text_encoder" in parts
    transformer = ["diffusers", "WanTransformer3DModel"]
    with_channels = card.reference == "channels"
    index: dict[str, Any] = {
        "_class_name": "WanImageToVideoPipeline" if with_channels else "WanPipeline",
        "_diffusers_version": DIFFUSERS_VERSION,
        "boundary_ratio": card.schedule.boundary if card.schedule is not None else None,
        "expand_timesteps": card.reference == "first_latent",
        "scheduler": ["diffusers", "UniPCMultistepScheduler"],
        "text_encoder": ["transformers", "UMT5EncoderModel"] if with_text else absent,
        "tokenizer": ["transformers", "T5TokenizerFast"] if with_text and tokenizer else absent,
        "transformer": transformer if experts else absent,
        "transformer_2": transformer if "low" in experts else absent,
        "vae": ["diffusers", "AutoencoderKLWan"] if "vae" in parts else absent,
    }
    if with_channels:
        index |= {"image_encoder": absent, "image_processor": absent}
    return index
