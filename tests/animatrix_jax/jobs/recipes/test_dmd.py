"""A whole distillation in small: it goes on bit for bit, its student has its own sampling."""

import json
import shutil
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from safetensors.numpy import load_file

from animatrix_data.settings import build
from animatrix_jax import cli
from animatrix_jax.inference.request import SamplerSettings, plan_sampling
from animatrix_jax.jobs import draw, train
from animatrix_jax.jobs.recipes import dmd
from animatrix_jax.jobs.recipes.flow_card import model_card, whole
from animatrix_jax.models.experts import EXPERT_NAMES
from animatrix_jax.models.work import velocity_work
from animatrix_jax.runtime.model import load_model
from animatrix_jax.training.telemetry import read_metrics


@pytest.fixture(scope="module")
def config(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Return four steps on videos of a small corpus, from the tiny model."""
    folder = tmp_path_factory.mktemp("dmd")
    draw.run(folder / "corpus", clips=12, size="32x32x5@8", seed=20, processes=1)
    settings = {
        "corpus": str(folder / "corpus"), "cache": str(folder / "latents"),
        "vae": str(tiny_model), "text_encoder": str(tiny_model), "initial": str(tiny_model),
        "steps": 4, "batch": 8, "held_out": 8, "task_ratio": (0.0, 0.5, 0.5), "microbatches": 2,
        "distillation": {"anchors": 2}, "teacher_steps": 3, "still": 1e9, "negative": "blurred",
        "optimizer": {"peak_lr": 1e-3, "warmup_steps": 1, "clip_norm": None},
        "critic_optimizer": {"peak_lr": 1e-3, "warmup_steps": 1},
    }  # fmt: skip
    cadence = {"log_every": 1, "evaluate_every": 4, "save_every": 1}
    return {"recipe": "dmd", "seed": 3, "settings": settings, "cadence": cadence}


@pytest.fixture(scope="module")
def finished(config: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the workdir of a run that was never stopped."""
    workdir = tmp_path_factory.mktemp("runs") / "whole"
    train.run(config, workdir)
    return workdir


def test_a_run_that_is_stopped_is_the_run_that_was_not(
    config: dict[str, Any],
    finished: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    class Stopped(Exception):
        pass

    def stop(self: Any, step: int) -> bool:
        if step == 3:
            raise Stopped
        return False

    with monkeypatch.context() as patch, pytest.raises(Stopped):
        patch.setattr("animatrix_jax.training.stopping.Stopping.reached", stop)
        train.run(config, tmp_path)
    train.run(config, tmp_path)
    assert "the student of the expert 'low' moves" in capsys.readouterr().err
    numbers = ("loss_high", "critic_loss_low", "held_out_motion_low", "held_out_distance_high")
    told = [
        {(r["step"], n, r[n]) for r in read_metrics(workdir) for n in numbers if n in r}
        for workdir in (finished, tmp_path)
    ]
    assert told[0] == told[1] and len(told[0]) == 10
    for name in EXPERT_NAMES:
        files = (w / "model" / name / "model.safetensors" for w in (finished, tmp_path))
        whole, stopped = map(load_file, files)
        jax.tree.map(np.testing.assert_array_equal, whole, stopped)


def test_a_student_is_sampled_at_its_anchors_in_one_forward_a_step(
    finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = load_model(finished)
    plan = plan_sampling(model, SamplerSettings())
    boundary = plan.schedule.boundary
    assert boundary is not None
    edges = [1, (1 + boundary) / 2, boundary, boundary / 2, 0]
    np.testing.assert_allclose(plan.sigmas, edges, atol=2e-6)
    assert (plan.solver, plan.integer_timestep) == ("euler", False)
    out = tmp_path / "clip.gif"
    words = ["generate", "--model", str(finished), "--tags", "VFX: Rain", "--out", str(out)]
    assert cli.main(words) == 0
    record = json.loads(out.with_suffix(".json").read_text())
    assert record["steps"] == 4 and record["grid"] == "anchors"
    assert record["guidance"]["high"] == {"text": 1.0, "tag": 1.0, "fields": None}
    assert cli.main([*words, "--steps", "3"]) == 2
    assert "was distilled to take 4 steps, not 3" in capsys.readouterr().err


def test_a_run_goes_on_with_its_own_teacher_alone(
    config: dict[str, Any], finished: Path, tmp_path: Path
) -> None:
    shutil.copytree(finished, tmp_path / "run")
    settings = config["settings"] | {"initial": str(finished)}
    with pytest.raises(ValueError, match="begun with another teacher than"):
        train.run(config | {"settings": settings}, tmp_path / "run")


def test_a_distillation_without_a_teacher_is_a_sentence(config: dict[str, Any]) -> None:
    settings = {k: v for k, v in config["settings"].items() if k != "initial"}
    with pytest.raises(ValueError, match="starts from its teacher"):
        train.run(config | {"settings": settings}, Path("never"))
    with pytest.raises(ValueError, match="cannot be tied"):
        train.run(config | {"settings": config["settings"] | {"tied": True}}, Path("never"))


def test_the_cost_of_a_step_counts_every_forward(config: dict[str, Any]) -> None:
    settings = build(dmd.DMDSettings, config["settings"])
    work, hardware = dmd.cost(settings, (2, 4, 4))
    forward = velocity_work(whole(model_card(settings))[0], (2, 4, 4)).total
    # One step to an anchor, three of the teacher, one of the critic; three passes for the student,
    # half of three for the critic.
    assert work.total == pytest.approx(8 * forward * (1 + 3 + 1 + 3 + 1.5))
    assert hardware.total >= work.total
