"""A whole flow run in small: what it leaves, that it goes on bit for bit, what it refuses."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from safetensors.numpy import load_file

import animatrix_jax
from animatrix_data.settings import build
from animatrix_jax.checkpoint import training
from animatrix_jax.checkpoint.manifest import read_manifest, write_manifest
from animatrix_jax.checkpoint.training import Checkpoints
from animatrix_jax.jobs import draw, train
from animatrix_jax.jobs.recipes import flow
from animatrix_jax.jobs.recipes.flow_settings import FlowSettings
from animatrix_jax.models.animatrix import AniMatrixConfig
from animatrix_jax.models.experts import EXPERT_NAMES
from animatrix_jax.runtime.model import load_model
from animatrix_jax.training.stopping import Stopping
from animatrix_jax.training.telemetry import read_metrics
from tests.tiny import tiny_card, write_tiny_model, write_tokenizer

LIFE = """
import json, os, signal, sys
from animatrix_jax.jobs import train
from animatrix_jax.training.telemetry import Telemetry

write = Telemetry.write


def last_words(self, step, values):
    write(self, step, values)
    if "loss" in values and step == int(sys.argv[3]):
        os.kill(os.getpid(), signal.SIGKILL)


Telemetry.write = last_words
train.run(json.loads(sys.argv[1]), sys.argv[2])
"""
"""A run that dies as soon as it has told of a step: config, workdir, step."""


@pytest.fixture(scope="module")
def config(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Return four steps on images and videos of a small corpus, from the tiny model."""
    folder = tmp_path_factory.mktemp("train")
    draw.run(folder / "corpus", clips=12, size="32x32x5@8", seed=20, processes=1)
    settings = {
        "corpus": str(folder / "corpus"), "cache": str(folder / "latents"),
        "vae": str(tiny_model), "text_encoder": str(tiny_model), "initial": str(tiny_model),
        "steps": 4, "batch": 4, "held_out": 4, "task_ratio": (0.0, 0.5, 0.5),
        "optimizer": {"peak_lr": 1e-3, "warmup_steps": 1},
    }  # fmt: skip
    cadence = {"log_every": 1, "evaluate_every": 2, "save_every": 2}
    return {"recipe": "flow", "seed": 3, "settings": settings, "cadence": cadence}


@pytest.fixture(scope="module")
def finished(config: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the workdir of a run that was never stopped."""
    workdir = tmp_path_factory.mktemp("runs") / "whole"
    train.run(config, workdir)
    return workdir


def weights(workdir: Path) -> dict[str, dict[str, np.ndarray]]:
    return {n: load_file(workdir / "model" / n / "model.safetensors") for n in EXPERT_NAMES}


def test_a_run_leaves_its_record_its_numbers_and_a_model(finished: Path, tiny_model: Path) -> None:
    record = json.loads((finished / "run.json").read_text())
    assert record["total_steps"] == 4 and record["config"]["seed"] == 3
    assert set(record["parents"]) == {"corpus", "vae"}
    logged = [r for r in read_metrics(finished) if "loss" in r]
    assert [r["step"] for r in logged] == [0, 1, 2, 3]
    assert all(np.isfinite(r[f"loss_{name}"]) for r in logged for name in EXPERT_NAMES)
    measured = [r for r in read_metrics(finished) if "held_out_loss_high" in r]
    assert [r["step"] for r in measured] == [2, 4]
    model, before = load_model(finished), load_model(tiny_model)
    assert model.card.transformer == before.card.transformer
    moved = jax.tree.map(
        lambda a, b: np.abs(a - b).max(), model.stacked_experts(), before.stacked_experts()
    )
    assert max(jax.tree.leaves(moved)) > 1e-5


def test_a_run_that_is_killed_twice_is_the_run_that_was_not(
    config: dict[str, Any], finished: Path, tmp_path: Path, repository: Path
) -> None:
    folders = (".", "data", "kernels")
    path = os.pathsep.join(str(repository / folder) for folder in folders)
    for last in (0, 2):
        words = [sys.executable, "-c", LIFE, json.dumps(config), str(tmp_path), str(last)]
        life = subprocess.run(words, env=os.environ | {"PYTHONPATH": path}, capture_output=True)
        assert life.returncode == -signal.SIGKILL, life.stderr.decode()
        with pytest.raises(ValueError, match="has written no model yet: it does when it ends"):
            load_model(tmp_path)
    train.run(config, tmp_path)
    told = [
        {(r["step"], r["loss"], r["loss_high"]) for r in read_metrics(workdir) if "loss" in r}
        for workdir in (finished, tmp_path)
    ]
    assert told[0] == told[1] and len(told[0]) == 4
    settings = build(FlowSettings, config["settings"])
    shapes = jax.eval_shape(flow.core(settings, config["seed"]).init, jax.random.key(0))
    here = jax.sharding.SingleDeviceSharding(jax.devices()[0])
    like = jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=here), shapes
    )
    whole, killed = (
        Checkpoints(workdir / "checkpoints").restore(like)[1] for workdir in (finished, tmp_path)
    )
    assert int(whole.step) == 4
    jax.tree.map(np.testing.assert_array_equal, whole, killed)
    for name, tensors in weights(finished).items():
        jax.tree.map(np.testing.assert_array_equal, tensors, weights(tmp_path)[name])
    last_record = read_metrics(tmp_path)[-1]
    assert last_record["goodput_lost_seconds"] > 0 and last_record["goodput_evaluate_seconds"] > 0


def test_a_stop_at_an_evaluation_leaves_it_to_the_run_that_goes_on(
    config: dict[str, Any],
    finished: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    class AtTwo(Stopping):
        def reached(self, step: int) -> bool:
            self.signal = signal.SIGTERM if step == 2 else None
            return step == 2

    with monkeypatch.context() as stopped:
        stopped.setattr(train, "Stopping", AtTwo)
        with pytest.raises(SystemExit, match="143"):
            train.run(config, tmp_path)
    assert read_manifest(tmp_path / "checkpoints" / "2").metrics == {}
    seconds = read_metrics(tmp_path)[-1]["stop_commit_seconds"]
    last = capfd.readouterr().err.splitlines()[-1]
    assert f"stopped before step 2, its checkpoint committed {seconds:.2f} s after" in last
    train.run(config, tmp_path)
    assert "stop_commit_seconds" not in read_metrics(tmp_path)[-1]
    measured = [
        [
            (r["step"], r["held_out_loss_high"])
            for r in read_metrics(workdir)
            if "held_out_loss_high" in r
        ]
        for workdir in (finished, tmp_path)
    ]
    assert measured[0] == measured[1] and [step for step, _ in measured[0]] == [2, 4]
    for step in (2, 4):
        kept = [read_manifest(w / "checkpoints" / str(step)).metrics for w in (finished, tmp_path)]
        assert kept[0] == kept[1] and kept[0]["held_out_loss_high"] == dict(measured[0])[step]


def test_a_save_that_fails_stops_nothing_and_is_told(
    config: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    def full(folder: Path, step: int, *more: Any) -> None:
        if step == 2:
            raise OSError(28, "No space left on device")
        write_manifest(folder, step, *more)

    monkeypatch.setattr(training, "write_manifest", full)
    train.run(config, tmp_path, profile_steps=(1, 2))
    assert Checkpoints(tmp_path / "checkpoints").newest == 4
    told = [r for r in read_metrics(tmp_path) if "save_failed" in r]
    sentence = "the checkpoint of step 2 was not saved: no space left on device"
    assert [r["save_failed"] for r in told] == [sentence]
    err = capfd.readouterr().err
    assert f"{sentence}\n" in err
    assert "goodput " in err.splitlines()[-1]
    assert list((tmp_path / "profile").rglob("*.xplane.pb"))


@pytest.mark.parametrize("steps", [(3, 1), (1,), (-1, 4)])
def test_steps_to_profile_are_two_in_order(
    config: dict[str, Any], tmp_path: Path, steps: tuple[int, ...]
) -> None:
    with pytest.raises(ValueError, match=r"first and the last step|FIRST,LAST in order"):
        train.run(config, tmp_path, profile_steps=steps)


def test_tied_experts_start_as_one_and_stay_one(config: dict[str, Any], tmp_path: Path) -> None:
    settings = config["settings"] | {"tied": True, "steps": 2}
    settings["optimizer"] = settings["optimizer"] | {"kind": "muon"}
    train.run(config | {"settings": settings}, tmp_path)
    high, low = load_model(tmp_path).experts
    jax.tree.map(np.testing.assert_array_equal, high, low)


@pytest.fixture(scope="module")
def wan(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Return a maker of model folders without the tag channel."""

    def write(channels: int, reference: str | None, boundary: float | None) -> Path:
        card, folder = tiny_card(), tmp_path_factory.mktemp("wan")
        dit = replace(card.transformer.dit, in_channels=channels)
        card = replace(
            card,
            transformer=AniMatrixConfig(dit, None),
            reference=reference,
            schedule=replace(card.schedule, boundary=boundary),
            tokenizer="files",
        )
        write_tiny_model(folder, card)
        write_tokenizer(folder)
        return folder

    return write


@pytest.mark.parametrize(
    ("channels", "reference", "boundary"),
    [(12, "channels", 0.9), (4, None, 0.9), (4, "first_latent", None)],
    ids=["i2v", "t2v", "ti2v"],
)
def test_training_goes_on_from_wan_as_it_is(
    config: dict[str, Any], tmp_path: Path, wan, channels: int, reference: str, boundary: float
) -> None:
    initial = wan(channels, reference, boundary)
    settings = config["settings"] | {
        "initial": str(initial), "text_encoder": str(initial), "steps": 1,
        "optimizer": {"peak_lr": 0.0}, "negative": "blurry", "remat": "full",
        "tags": {"dim": 16, "heads": 2, "layers": 1, "adaln_rank": 4},
    }  # fmt: skip
    train.run(config | {"settings": settings}, tmp_path)
    made, before = animatrix_jax.load(tmp_path), animatrix_jax.load(initial)
    card = made.model.card
    assert card.transformer.conditioning.adaln_rank == 4 and card.transformer.dit.remat == "full"
    assert (card.tokenizer, card.negative) == ("files", "blurry")
    latents = np.random.default_rng(0).normal(size=(1, 2, 4, 4, 4))
    plain = before.velocity(latents, 950.0, ["a girl"])
    found = made.velocity(latents, 950.0, ["a girl"], ["VFX: Rain"])
    assert np.linalg.norm(found - plain) <= 1e-6 * np.linalg.norm(plain)
    other = made.velocity(latents, 950.0, ["a girl"], ["VFX: Snow"])
    np.testing.assert_array_equal(found, other)
    logged = [r for r in read_metrics(tmp_path) if "loss" in r]
    assert {f"loss_{name}" for name in made.model.card.experts} <= logged[0].keys()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"held_out": 12}, "held_out 12 leaves nothing of the 12 clips"),
        ({"batch": 3}, "batch_size 3 does not divide"),
        ({"steps": 4, "stepz": 4}, "stepz"),
        ({"optimizer": {"kind": "sgd"}}, "no optimizer 'sgd': it is adamw or muon"),
        ({"vae": "pocket"}, "the VAE of pocket has 24 latent channels, the transformer of"),
    ],
)
def test_a_config_that_cannot_be_run_is_refused(
    config: dict[str, Any], tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        train.run(config | {"settings": config["settings"] | change}, tmp_path)


def test_another_configs_checkpoint_is_refused(config: dict[str, Any], tmp_path: Path) -> None:
    short = config["settings"] | {"steps": 1}
    train.run(config | {"settings": short}, tmp_path)
    muon = short | {"steps": 2, "optimizer": {"kind": "muon"}}
    with pytest.raises(ValueError, match="does not fit this config"):
        train.run(config | {"settings": muon}, tmp_path)
    other = short | {"steps": 2, "batch": 8}
    with pytest.raises(
        ValueError, match="was begun with batches of 4 samples and goes on with them alone"
    ):
        train.run(config | {"settings": other}, tmp_path)
