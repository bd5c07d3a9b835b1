"""The shipped pocket model, tuned on a corpus of your own that was encoded with it.

    animatrix draw --out runs/rain --clips 128 --tags "VFX: Rain"
    animatrix encode --corpus runs/rain --model pocket --out runs/rain-latents
    animatrix train --config configs/pocket/tune.py:runs/rain --workdir runs/tune

What follows the colon is the corpus; its latents stand beside it. Two CPU cores, about two
minutes.
"""

import importlib.util
from pathlib import Path

from ml_collections import ConfigDict


def get_config(corpus: str = "runs/corpus") -> ConfigDict:
    """Return the experiment: fine-tuning's, from the shipped model, short and with low rates."""
    path = Path(__file__).with_name("sft.py")
    spec = importlib.util.spec_from_file_location("pocket_sft", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    config = module.get_config()
    config.settings.corpus = corpus
    config.settings.cache = f"{corpus}-latents"
    config.settings.vae = "pocket"
    config.settings.text_encoder = "pocket"
    config.settings.initial = "pocket"
    config.settings.steps = 300
    config.settings.held_out = 16
    config.settings.optimizer.peak_lr = 2e-4
    config.settings.optimizer.warmup_steps = 10
    config.settings.optimizer.ema_decay = 0.99
    config.cadence.log_every = 5
    config.cadence.evaluate_every = 100
    config.cadence.save_every = 100
    return config
