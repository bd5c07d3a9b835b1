"""A flow run's clips: cached or made on the way, they reach the step alike; bad ones are named."""

from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from animatrix_data.corpus.catalogue import read_catalogue, write_catalogue
from animatrix_data.corpus.latents import LatentCache
from animatrix_data.pipeline.conditioning import NO_PERTURBATION, Perturbation
from animatrix_data.pipeline.samples import Describe
from animatrix_data.pipeline.stages import SubStage
from animatrix_data.sampling.balance import Target
from animatrix_data.sampling.curriculum import Curriculum
from animatrix_jax.jobs import draw, encode
from animatrix_jax.jobs.recipes.flow_corpus import Balance, Ingredient
from animatrix_jax.jobs.recipes.flow_data import FlowClips, FlowData
from animatrix_jax.parallel.batches import BatchPlacement
from animatrix_jax.parallel.mesh import MeshSettings, make_mesh
from animatrix_jax.runtime.model import load_model


@pytest.fixture(scope="module")
def settings(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> FlowData:
    """Return settings for a small corpus whose latents are cached."""
    folder = tmp_path_factory.mktemp("clips")
    draw.run(folder / "corpus", clips=8, size="32x32x5@8", seed=20, processes=1)
    return FlowData(
        corpus=folder / "corpus", cache=folder / "latents", vae=tiny_model,
        text_encoder=tiny_model, steps=8, batch=4, held_out=2,
        task_ratio=(0.0, 0.5, 0.5), perturbation=NO_PERTURBATION,
    )  # fmt: skip


def clips(settings: FlowData) -> FlowClips:
    model, mesh = load_model(settings.vae), make_mesh(MeshSettings())
    placement = BatchPlacement(mesh, settings.batch, experts=2)
    return FlowClips(
        settings, 3, model, model, text_length=24, stride=8, placement=placement, referenced=True
    )


def first(found: FlowClips, count: int = 2) -> list[dict[str, Any]]:
    return list(islice(found.train(0), count))


def test_latents_and_text_made_on_the_way_are_those_of_the_cache(settings: FlowData) -> None:
    cached = first(clips(settings))
    live = first(clips(replace(settings, cache=None)))
    folder = settings.cache.with_name("latents_and_text")
    states = first(clips(replace(settings, cache=folder, text="cached", wordings=2)))
    for one, *others in zip(cached, live, states, strict=True):
        assert one["latents"].shape == (2, 2, 2, 8, 8, 4) and one["latents"].dtype == jnp.float32
        for other in others:
            assert jax.tree.structure(one) == jax.tree.structure(other)
            for name in one:
                pairs = zip(jax.tree.leaves(one[name]), jax.tree.leaves(other[name]), strict=True)
                for a, b in pairs:
                    # Caches keep half precision.
                    np.testing.assert_allclose(a, b, rtol=2e-3, atol=2e-3, err_msg=name)


def test_sub_stages_follow_one_another_balanced_and_scheduled(settings: FlowData) -> None:
    stages = (
        SubStage(64, 16, 5, settings.cache.with_name("small"), ratio=(1.0, 0.0, 0.0)),
        SubStage(None, 24, 5, settings.cache.with_name("large"), ratio=(0.0, 1.0, 0.0)),
    )
    found = clips(
        replace(settings, steps=32, substages=stages, balance=Balance(0.7), curriculum=Curriculum())
    )
    shapes = [batch["latents"].shape[2:5] for batch in islice(found.train(14), 4)]
    # Squares of the area of 16×28 pixels and of 24×43, on a grid of 8.
    assert shapes == [(1, 6, 6)] * 2 + [(2, 8, 8)] * 2
    again = next(found.train(17))
    assert again["sample_index"][0, 0, 1] == 17 * settings.batch
    assert [batch["task"].min() for batch in found.measure(1)] == [1]


def test_a_torn_clip_is_named_when_the_run_ends(
    settings: FlowData, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    draw.run(tmp_path / "corpus", clips=8, size="32x32x5@8", seed=20, processes=1)
    found = clips(replace(settings, corpus=tmp_path / "corpus", cache=None))
    catalogue = read_catalogue(tmp_path / "corpus")
    for row in catalogue.rows[:3]:
        catalogue.clip_path(row).write_bytes(b"torn")
    batches = found.train(0)
    assert all(np.isfinite(next(batches)["latents"]).all() for _ in range(4))
    capsys.readouterr()
    batches.close()
    said = capsys.readouterr().err.splitlines()
    assert "clips could not be read" in said[0]
    assert len(said) > 1 and all("is not a video" in line for line in said[1:])
    with pytest.raises(ValueError, match=r"clip '.*' cannot be read: .* is not a video"):
        first(clips(replace(settings, corpus=tmp_path / "corpus", cache=None, on_bad="raise")), 4)


def test_a_cache_that_holds_more_than_is_needed_serves(
    settings: FlowData, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = settings.cache.with_name("more")
    corpus, model = settings.corpus, settings.vae
    encode.run(corpus, model, folder, wordings=3, text_length=24, seed=5, dtype="bfloat16",
               rates=settings.perturbation)  # fmt: skip
    for text in ("live", "cached"):
        batch = first(clips(replace(settings, cache=folder, text=text, wordings=2)), 1)[0]
        assert batch["latents"].dtype == jnp.float32
    with pytest.raises(ValueError, match="holds wordings perturbed by synonyms at 0, without"):
        rates = Perturbation()
        clips(replace(settings, cache=folder, text="cached", perturbation=rates))
    with pytest.raises(ValueError, match="made by another VAE"):
        clips(replace(settings, cache=folder, vae=Path("pocket")))


def test_corpora_are_mixed_by_their_shares(settings: FlowData, tmp_path: Path) -> None:
    draw.run(tmp_path / "more", clips=8, size="32x32x5@8", seed=90, processes=1)
    further = Ingredient(corpus=tmp_path / "more", share=0.5)
    found = clips(replace(settings, cache=None, mixture=(further,), steps=512))
    blocks = [found._selection.draw(number) for number in range(200)]
    assert 70 < sum(block.source for block in blocks) < 130
    assert {int(clip) for block in blocks if block.source for clip in block.clips} == set(range(8))
    assert {int(clip) for block in blocks if not block.source for clip in block.clips} == set(
        range(6)
    )
    assert set(found.digests) == {"corpus", "mixture_1"}
    stage = SubStage(None, 24, 5)
    assert replace(further, cache=Path("kept")).cache_of(stage) == Path("kept/24x5")
    with pytest.raises(ValueError, match=r"leave something of the corpus: they are 0\.5, 0\.5"):
        replace(settings, mixture=(further, further))


def test_a_clip_outside_the_vocabulary_is_left_out_and_named(
    settings: FlowData, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    draw.run(tmp_path / "corpus", clips=8, size="32x32x5@8", seed=20, processes=1)
    rows = list(read_catalogue(tmp_path / "corpus").rows)
    rows[0] = replace(rows[0], tags="VFX: Rane")
    rows[1] = replace(rows[1], directive="<tag> VFX: Rane\n<summary> It rains.\n<description> So.")
    write_catalogue(tmp_path / "corpus", rows)
    found = clips(replace(settings, corpus=tmp_path / "corpus", cache=None))
    batches = found.train(0)
    assert all(np.isfinite(next(batches)["latents"]).all() for _ in range(4))
    batches.close()
    said = capsys.readouterr().err
    assert f"  {rows[1].id}: VFX has no value 'Rane': near it are Rain (drawn" in said
    assert f"left out from the start: 1 clip\n  {rows[0].id}: VFX has no value 'Rane'" in said


def test_what_contradicts_itself_is_refused(settings: FlowData) -> None:
    with pytest.raises(ValueError, match="batch_size 6 does not divide a block of 64"):
        replace(settings, batch=6)
    assert replace(settings, batch=96, block=96).loader(0, 0, referenced=True).block == 96
    with pytest.raises(ValueError, match="there is no stage 'QQ'"):
        replace(settings, stage="QQ")
    with pytest.raises(ValueError, match="held_out must be 1 or more"):
        replace(settings, held_out=0)
    stages = (SubStage(64, 16, 5, settings.cache),)
    with pytest.raises(ValueError, match="hold 64 samples, and 8 steps of 4 are 32"):
        replace(settings, substages=stages)
    with pytest.raises(ValueError, match="cached text states are kept beside cached latents"):
        clips(replace(settings, cache=None, text="cached"))
    with pytest.raises(ValueError, match="held_out 8 leaves nothing of the 8 clips of stage CT"):
        clips(replace(settings, held_out=8))


SMALL, LARGE = SubStage(64, 16, 5), SubStage(None, 24, 5)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"substages": (SMALL, SubStage(None, 24, 9))}, "corpus at 24x9: no clip fits any"),
        ({"substages": (SubStage(None, 16, 5), LARGE)}, "only the last sub-stage may leave out"),
        ({"task_ratio": (0.0, 0.0, 0.0)}, "must be numbers ≥ 0, not all 0"),
        ({"text": "cached", "wordings": 0}, "wordings is how many texts"),
        ({"target": Target(S={"Shinkai Style": 2.0})}, "Shinkai Style"),
        (
            {"substages": (SMALL, replace(LARGE, cache=Path("latents")))},
            "fitted to their own shapes",
        ),
    ],
)
def test_nothing_is_encoded_for_what_cannot_be_trained_on(
    settings: FlowData, monkeypatch: pytest.MonkeyPatch, change: dict[str, Any], sentence: str
) -> None:
    first(clips(settings), 1)  # fills the cache of the clips' own shapes
    monkeypatch.setattr(encode, "run", lambda *_, **__: pytest.fail("something was encoded"))
    stages = tuple(
        replace(s, cache=settings.cache.with_name(s.cache.name if s.cache else f"new{s.edge}"))
        for s in change.get("substages", ())
    )
    with pytest.raises(ValueError, match=sentence):
        clips(replace(settings, cache=settings.cache.with_name("fresh"), steps=32,
                      **change | {"substages": stages}))  # fmt: skip


def test_cached_texts_are_those_that_were_drawn(settings: FlowData, tmp_path: Path) -> None:
    """Of two corpora whose caches hold other wordings, each sample reads its own, and its tag."""
    rates = Perturbation(1.0, 0.0, 0.0, 0.0, 0.3, 0.5, 1.0, 0.5)
    folders = (settings.corpus, tmp_path / "more")
    draw.run(folders[1], clips=8, size="32x32x5@8", seed=90, processes=1)
    caches = tuple(tmp_path / f"latents{k}" for k in range(2))
    for folder, cache, (count, seed) in zip(folders, caches, ((3, 5), (8, 6)), strict=True):
        encode.run(folder, settings.vae, cache, wordings=count, seed=seed, text_length=24,
                   rates=rates)  # fmt: skip
    found = clips(
        replace(
            settings, cache=caches[0], text="cached", perturbation=rates, steps=512,
            mixture=(Ingredient(corpus=folders[1], share=0.5, cache=caches[1]),),
        )
    )  # fmt: skip
    assert [(f.wordings, f.wording_seed) for f in found._feeds] == [(3, 5), (8, 6)]
    kept = [LatentCache.open(cache) for cache in caches]
    describe = Describe(found._selection, found._feeds, 3, rates, 64, cached=True)
    batches, conflicts = islice(found.train(0), 64), 0
    for number, batch in enumerate(batches):
        for index in range(number * 4, number * 4 + 4):
            sample = describe(index, 0)
            wording = sample.conditions.wording
            states = kept[sample.source].text(sample.row, wording)
            expert, place = index % 2, index % 4 // 2
            np.testing.assert_array_equal(batch["text"][expert, place, : len(states)], states)
            feed = found._feeds[sample.source]
            own = feed.texts.wordings(sample.row, feed.wordings, rates, feed.wording_seed)[wording]
            if own.contradicted is not None:
                conflicts += 1
                assert batch["tags"]["mask"][expert, place, own.contradicted]
    assert conflicts > 20
