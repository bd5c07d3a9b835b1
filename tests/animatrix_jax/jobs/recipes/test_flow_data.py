"""A flow run's clips: cached or made on the way, they reach the step alike; bad ones are named."""

from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from animatrix_data.pipeline.conditioning import NO_PERTURBATION
from animatrix_data.pipeline.stages import SubStage
from animatrix_data.sampling.curriculum import Curriculum
from animatrix_jax.jobs import draw
from animatrix_jax.jobs.recipes.flow_data import Balance, FlowClips, FlowData
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
    model = load_model(settings.vae)
    return FlowClips(settings, 3, model, model, 24, 2, referenced=True)


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
        replace(settings, substages=stages, balance=Balance(0.7), curriculum=Curriculum())
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
    for row in found.catalogue.rows[:3]:
        found.catalogue.clip_path(row).write_bytes(b"torn")
    batches = found.train(0)
    assert all(np.isfinite(next(batches)["latents"]).all() for _ in range(4))
    capsys.readouterr()
    batches.close()
    said = capsys.readouterr().err.splitlines()
    assert "clips could not be read" in said[0]
    assert len(said) > 1 and all("is not a video" in line for line in said[1:])
    with pytest.raises(ValueError, match=r"clip '.*' cannot be read: .* is not a video"):
        first(clips(replace(settings, corpus=tmp_path / "corpus", cache=None, on_bad="raise")), 4)


def test_what_contradicts_itself_is_refused(settings: FlowData) -> None:
    with pytest.raises(ValueError, match="cached text states are kept beside cached latents"):
        clips(replace(settings, cache=None, text="cached"))
    with pytest.raises(ValueError, match="held_out 8 leaves nothing of the 8 clips of stage CT"):
        clips(replace(settings, held_out=8))
