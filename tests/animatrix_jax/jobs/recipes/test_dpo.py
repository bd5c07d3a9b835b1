"""A whole preference run in small: what it leaves, that it goes on bit for bit, what it refuses."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from safetensors.numpy import load_file

from animatrix_data.corpus.pairs import read_pairs, write_pairs
from animatrix_data.settings import build
from animatrix_jax import cli
from animatrix_jax.jobs import draw, pairs, train
from animatrix_jax.jobs.recipes import dpo
from animatrix_jax.jobs.recipes.dpo_references import ERRORS_NAME, References, know_references
from animatrix_jax.jobs.recipes.dpo_settings import DPOSettings
from animatrix_jax.jobs.recipes.flow_card import model_card
from animatrix_jax.models.experts import EXPERT_NAMES
from animatrix_jax.parallel.mesh import MeshSettings, abstract_mesh, make_mesh
from animatrix_jax.runtime.model import load_model
from animatrix_jax.training.telemetry import Telemetry, read_metrics


@pytest.fixture(scope="module")
def config(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Return four steps on the pairs of a small corpus, from the tiny model."""
    folder = tmp_path_factory.mktemp("dpo")
    draw.run(folder / "corpus", clips=5, candidates=3, size="32x32x13@8", seed=20, processes=1,
             sampler="pocket")  # fmt: skip
    pairs.run(folder / "corpus", reject="none")
    settings = {
        "corpus": str(folder / "corpus"), "cache": str(folder / "latents"),
        "references": str(folder / "references"),
        "vae": str(tiny_model), "text_encoder": str(tiny_model), "initial": str(tiny_model),
        "steps": 4, "batch": 4, "held_out": 2, "beta": 50.0, "draws": 3, "microbatches": 2,
        "optimizer": {"peak_lr": 1e-3, "warmup_steps": 1},
    }  # fmt: skip
    cadence = {"log_every": 1, "evaluate_every": 2, "save_every": 2}
    return {"recipe": "dpo", "seed": 3, "settings": settings, "cadence": cadence}


@pytest.fixture(scope="module")
def finished(config: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the workdir of a run that was never stopped."""
    workdir = tmp_path_factory.mktemp("runs") / "whole"
    train.run(config, workdir)
    return workdir


def weights(workdir: Path) -> dict[str, dict[str, np.ndarray]]:
    return {n: load_file(workdir / "model" / n / "model.safetensors") for n in EXPERT_NAMES}


def logged(workdir: Path) -> dict[int, tuple[float, float]]:
    return {
        r["step"]: (r["loss_high"], r["loss_low"]) for r in read_metrics(workdir) if "loss" in r
    }


def test_a_run_leaves_its_record_its_numbers_and_a_model(
    config: dict[str, Any], finished: Path, tiny_model: Path
) -> None:
    record = json.loads((finished / "run.json").read_text())
    assert set(record["parents"]) == {"corpus", "pairs", "vae"}
    found = logged(finished)
    assert sorted(found) == [0, 1, 2, 3]
    # The model begins at its reference; caches keep half precision, the errors do not.
    np.testing.assert_allclose(found[0], np.log(2), rtol=1e-4)
    assert found[3] != found[0]
    measured = [r for r in read_metrics(finished) if "held_out_loss_high" in r]
    assert [r["step"] for r in measured] == [2, 4]
    for name in EXPERT_NAMES:
        assert all(r[f"held_out_accuracy_{name}"] in (0.0, 0.5, 1.0) for r in measured)
        assert all(np.isfinite(r[f"held_out_margin_{name}"]) for r in measured)
    model, before = load_model(finished), load_model(tiny_model)
    assert model.card.transformer == before.card.transformer
    moved = jax.tree.map(
        lambda a, b: np.abs(a - b).max(), model.stacked_experts(), before.stacked_experts()
    )
    assert max(jax.tree.leaves(moved)) > 1e-5


def test_a_run_that_was_stopped_is_the_run_that_was_not(
    config: dict[str, Any], finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Stop(Exception):
        pass

    write = Telemetry.write

    def last_words(self: Telemetry, step: int, values: dict[str, Any]) -> None:
        write(self, step, values)
        if "loss" in values and step == 2:
            raise Stop

    with monkeypatch.context() as patched:
        patched.setattr(Telemetry, "write", last_words)
        with pytest.raises(Stop):
            train.run(config, tmp_path)
    train.run(config, tmp_path)
    assert logged(tmp_path) == logged(finished)
    for name, tensors in weights(finished).items():
        jax.tree.map(np.testing.assert_array_equal, tensors, weights(tmp_path)[name])


@pytest.fixture(scope="module")
def clips(config: dict[str, Any], finished: Path) -> dpo.PairClips:
    """Return the pairs of the run, its references known."""
    found = clips_of(build(DPOSettings, config["settings"]))
    kept = References(Path(config["settings"]["references"]), None, found.errors_shape)
    found.know(kept.errors)
    return found


def clips_of(settings: DPOSettings) -> dpo.PairClips:
    model = load_model(settings.vae)
    card, mesh = model_card(settings), make_mesh(MeshSettings())
    return dpo.clips_of(dpo.PairClips, settings, 3, card, model, model, mesh)


def batches(found: dpo.PairClips, start: int, count: int) -> list[dict[str, Any]]:
    drawn: Iterator[dict[str, Any]] = found.train(start)
    try:
        return list(islice(drawn, count))
    finally:
        drawn.close()  # type: ignore[attr-defined]


def test_batches_are_as_the_step_was_told_and_start_anywhere(
    config: dict[str, Any], clips: dpo.PairClips
) -> None:
    settings = build(DPOSettings, config["settings"])
    (example,) = dpo.examples(settings)
    all_of_them = batches(clips, 0, 4)
    for batch in all_of_them:
        kinds = jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), batch)
        assert kinds == jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), example)
        assert np.isfinite(batch["reference_errors"]).all()
        held_out = len(read_pairs(settings.corpus)) - 2
        assert (np.asarray(batch["pair"]) < held_out).all()
    for late, one in zip(batches(clips, 2, 2), all_of_them[2:], strict=True):
        jax.tree.map(np.testing.assert_array_equal, late, one)


def test_pairs_made_on_the_way_are_those_of_the_cache(
    config: dict[str, Any], clips: dpo.PairClips
) -> None:
    settings = build(DPOSettings, config["settings"])
    live = batches(clips_of(replace(settings, cache=None)), 0, 1)[0]
    states = settings.cache.with_name("latents_and_text")
    cached = batches(clips_of(replace(settings, cache=states, text="cached", wordings=2)), 0, 1)[0]
    first = batches(clips, 0, 1)[0]
    for other in (live, cached):
        for name in ("latents", "reference", "reference_mask", "pair", "draw"):
            np.testing.assert_allclose(first[name], other[name], rtol=2e-3, atol=2e-3)
        assert other["text"].dtype == jnp.float32 and other["text"].shape == first["text"].shape


def test_references_are_asked_once_and_only_for_what_is_drawn(
    config: dict[str, Any], clips: dpo.PairClips, tmp_path: Path
) -> None:
    kept = References(Path(config["settings"]["references"]), None, clips.errors_shape)
    known = np.isfinite(kept.errors).all(-1).reshape(2, -1)
    for expert, needed in enumerate(clips.needed()):
        assert known[expert, needed].all() and known[expert].sum() == len(needed)
    assert known.sum() < known.size

    asked = []

    def measure(_: Any, batch: dict[str, Any]) -> Any:
        pair, draw = np.asarray(batch["pair"]), np.asarray(batch["draw"])
        asked.append((pair, draw))
        # Which expert was asked for which place can be read off what it says.
        experts = np.array([[100.0], [200.0]])
        return np.stack([experts + pair, experts + draw], axis=-1), pair, draw

    settings = build(DPOSettings, config["settings"])
    shorter, longer = clips_of(settings), clips_of(replace(settings, steps=9, beta=500.0))
    for told, more in ((shorter, True), (shorter, False), (longer, True), (shorter, False)):
        before, made = len(asked), References(tmp_path, {"seed": "3"}, clips.errors_shape)
        know_references(made, told, measure, None)
        assert (len(asked) > before) == more
    pairs_of, draws = made.errors.shape[1:3]
    wanted = np.stack(np.meshgrid(np.arange(pairs_of), np.arange(draws), indexing="ij"), -1)
    for expert, own in enumerate(made.errors):
        right = np.isnan(own) | (own == 100.0 * (expert + 1) + wanted)
        assert right.all() and np.isfinite(own).any()

    def broken(_: Any, batch: dict[str, Any]) -> Any:
        numbers, pair, draw = measure(_, batch)
        return numbers * np.nan, pair, draw

    with pytest.raises(ValueError, match=r"the reference model's error of pair .* is not a number"):
        know_references(References(tmp_path / "x", {}, made.errors.shape), clips, broken, None)


def test_references_of_anything_else_are_refused(
    config: dict[str, Any], finished: Path, tmp_path: Path
) -> None:
    for change, sentence in (
        ({"seed": 4}, r"of another seed \(3, not 4\): give another folder, or remove this one"),
        ({"settings": {"draws": 2}}, r"of another number of draws \(3, not 2\)"),
        ({"settings": {"initial": str(finished)}}, "of another model"),
        ({"settings": {"knee": 0.5}}, r"of another knee \(0, not 0.5\)"),
        ({"settings": {"perturbation": {"p_drop": 0.5}}}, "of another wording"),
    ):
        other = config | change | {"settings": config["settings"] | change.get("settings", {})}
        with pytest.raises(ValueError, match=sentence):
            train.run(other, tmp_path / "run")
    (tmp_path / ERRORS_NAME).write_bytes(b"torn")
    torn = config | {"settings": config["settings"] | {"references": str(tmp_path)}}
    with pytest.raises(ValueError, match="cannot be read as reference errors"):
        train.run(torn, tmp_path / "run")


def test_the_partition_holds_on_meshes_and_refuses_what_it_cannot_divide(
    config: dict[str, Any],
) -> None:
    settings = build(DPOSettings, config["settings"] | {"batch": 8, "microbatches": None})
    state = dpo.core(settings, 0).check()
    dpo.check_mesh(settings, state, abstract_mesh(MeshSettings(expert=2, fsdp=2, context=2)))
    with pytest.raises(ValueError, match="is not divided by"):
        dpo.check_mesh(settings, state, abstract_mesh(MeshSettings(expert=2, fsdp=3)))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"initial": None}, "a preference is learnt against a model: settings.initial says which"),
        ({"beta": 0.0}, "beta weighs the distance from the reference: above 0, not 0"),
        ({"weight": "two"}, "there is no weight 'two'"),
        ({"draws": 0}, "draws is how many of sigma and noise a pair has, not 0"),
        ({"balance": {"alpha": 0.5}}, "the pairs say which clips are drawn: leave out balance"),
        ({"on_bad": "skip"}, "no pair stands in for another: on_bad is raise, not 'skip'"),
        ({"held_out": 50}, "held_out 50 leaves nothing of the"),
        (
            {"substages": [{"samples": 8, "edge": 32, "frames": 13},
                           {"samples": 8, "edge": 32, "frames": 13}]},
            "pairs have one sub-stage at most, not 2",
        ),
    ],
)  # fmt: skip
def test_a_config_that_cannot_be_run_is_refused(
    config: dict[str, Any], tmp_path: Path, change: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(ValueError, match=sentence):
        train.run(config | {"settings": config["settings"] | change}, tmp_path)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--config.settings.beta=-1"], "config.settings: beta weighs the distance from the"),
        (["--config.settings.corpus=nowhere"], "nowhere holds no pairs.parquet: `animatrix pairs"),
        (["--config.settings.references=5x", "--config.settings.draw=4"], "draw"),
    ],
)
def test_nonsense_gets_one_sentence_and_status_2(
    repository: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch, words: list[str], sentence: str,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    line = ["train", "--config", str(repository / "configs/pocket/dpo.py"), "--workdir", "run"]
    assert cli.main([*line, *words]) == 2
    err = capsys.readouterr().err
    assert err.startswith("animatrix train: ") and err.count("\n") == 1 and sentence in err


def test_a_pair_whose_clip_is_gone_is_named(config: dict[str, Any], tmp_path: Path) -> None:
    settings = build(DPOSettings, config["settings"])
    shutil.copytree(settings.corpus, tmp_path / "corpus")
    rows = read_pairs(settings.corpus).rows
    write_pairs(tmp_path / "corpus", [replace(rows[0], loser="gone"), *rows[1:]])
    with pytest.raises(ValueError, match=r"names clip 'gone', which .* lacks"):
        clips_of(replace(settings, corpus=tmp_path / "corpus", cache=None))
