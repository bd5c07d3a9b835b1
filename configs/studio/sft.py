"""Supervised fine-tuning of a public Wan on anime, with the tag channel added (section 5.2).

    animatrix convert --to animatrix SRC runs/studio/i2v_a14b
    animatrix ingest FOLDER --out runs/studio/corpus
    animatrix train --config configs/studio/sft.py:i2v_a14b --workdir runs/studio/sft

SRC is the public checkpoint, in its own layout or diffusers'. The argument is the converted model:
t2v_a14b, i2v_a14b, ti2v_5b, t2v_14b or t2v_1_3b; `i2v_a14b-full` has the paper's full-rank AdaLN.
Shift, boundary, steps and clip are the checkpoint's
(`animatrix_jax.convert.variants`, also printed in docs/wan.md); guidance becomes the paper's pair.
Clips are of tiers S and A, balanced over the taxonomy (none more than 30 times as often as without
weights), the difficult ones later. Text states are encoded once, eight wordings a clip, so that the
text encoder does not stand beside the model. What is drawn is told by

    animatrix balance runs/studio/corpus --config configs/studio/sft.py

It has a mesh for 64 and one for 256 TPU v5p chips: every expert has half of them, and a group of
four shares a clip. What they hold and how long a step should take is told by

    animatrix plan --config configs/studio/sft.py:i2v_a14b --topology v5p:4x4x4

and stands in docs/scale.md. No time is measured.
"""

from ml_collections import ConfigDict

MODELS = ("t2v_a14b", "i2v_a14b", "ti2v_5b", "t2v_14b", "t2v_1_3b")
OF_TWO = ("t2v_a14b", "i2v_a14b")
"""The models of two experts."""
T2V_ONLY = ("t2v_a14b", "t2v_14b", "t2v_1_3b")
SHARING = 4
"""Devices that share a clip's tokens."""
ANIME_NEGATIVE = (
    "色调艳丽，过曝，静态，细节模糊不清，字幕，静止，整体发灰，最差质量，低质量，JPEG压缩残留，"
    "丑陋的，残缺的，多余的手指，画得不好的手部，画得不好的脸部，畸形的，毁容的，形态畸形的肢体，"
    "手指融合，静止不动的画面，杂乱的背景，三条腿，背景人很多，倒着走"
)
"""Wan's negative prompt less four words: style, work, painting, picture (风格，作品，画作，画面).

An anime model must not be steered away from them.
"""


def get_config(model: str = "i2v_a14b") -> ConfigDict:
    """Return the experiment on a converted model; ValueError for one that Wan has not."""
    model, _, form = model.partition("-")
    if form not in ("", "full"):
        raise ValueError(f"there is no form {form!r} of the tag channel: it is full, or none said")
    if model not in MODELS:
        raise ValueError(f"there is no model {model!r}: it is one of {', '.join(MODELS)}")
    folder = f"runs/studio/{model}"
    experts = 2 if model in OF_TWO else 1
    return ConfigDict(
        {
            "recipe": "flow",
            "seed": 0,
            "settings": {
                "corpus": "runs/studio/corpus",
                "cache": f"runs/studio/latents_{model}",
                "vae": folder,
                "text_encoder": folder,
                "initial": folder,
                "variant": model,
                "tags": {
                    "dim": 1024,
                    "heads": 8,
                    "layers": 3,
                    "adaln_rank": None if form == "full" else 512,
                },
                "dtype": "bfloat16",
                "remat": "full",
                "microbatches": None,
                "stage": "SFT",
                "balance": {"alpha": 0.7, "minimum": 0.0005, "most": 30.0},
                "curriculum": {"gamma": 10.0, "beta": 0.1, "quantiles": 5},
                "text": "cached",
                "wordings": 8,
                "workers": 4,
                "on_bad": "skip",
                "steps": 20000,
                "batch": 64,
                "block": 64,
                "optimizer": {
                    "kind": "adamw",
                    "peak_lr": 1e-5,
                    "final_lr": 1e-6,
                    "warmup_steps": 500,
                    "weight_decay": 0.01,
                    "ema_decay": 0.999,
                },
                "task_ratio": (0.2, 0.8, 0.0) if model in T2V_ONLY else (0.2, 0.4, 0.4),
                "held_out": 512,
                "guidance_text": 5.0,
                "guidance_tag": 2.0,
                "negative": ANIME_NEGATIVE,
                "export_dtype": "bfloat16",
            },
            "cadence": {"evaluate_every": 1000, "save_every": 500},
            "mesh": None,
            "meshes": {
                str(chips): {
                    "expert": experts,
                    "fsdp": chips // experts // SHARING,
                    "context": SHARING,
                }
                for chips in (64, 256)
            },
        }
    )
