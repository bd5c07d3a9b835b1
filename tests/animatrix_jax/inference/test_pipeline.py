"""From requests to frames: batches, forms, the hand-over, references, refusals."""

from dataclasses import replace
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

from animatrix_data.taxonomy import Directive, parse_tags
from animatrix_jax.checkpoint.folder import ModelCard
from animatrix_jax.diffusion.guidance import ALL_AXES, Branch
from animatrix_jax.inference import pipeline
from animatrix_jax.inference.pipeline import (
    batch_conditions,
    branch_conditions,
    count_steps,
    generate_clips,
    guided_velocity,
    start_noise,
)
from animatrix_jax.inference.request import (
    Request,
    SamplerSettings,
    check_request,
    plan_sampling,
)
from animatrix_jax.runtime.model import Model, load_model
from tests.tiny import tiny_card

SPEC = parse_tags("VideoStyle: Shinkai Style, camera_motion: pan left -> push in, VFX: Rain")
BOTH = Request(SPEC, "a girl waits", 1)
TEXT, TAGS, NEITHER = replace(BOTH, spec=parse_tags("")), replace(BOTH, text=""), Request(seed=1)
QUICK = SamplerSettings(steps=3, batch=2)


@pytest.fixture(scope="module")
def model(tiny_model: Path) -> Model:
    return load_model(tiny_model)


@pytest.fixture
def calls(model: Model, monkeypatch: pytest.MonkeyPatch) -> list[dict]:
    """What the sampler asks of the network, which itself is not run."""
    seen: list[dict] = []
    high, low = (np.asarray(params["params"]["dit"]["time_in"]["bias"]) for params in model.experts)

    def fake(transformer, params, latents, timestep, conditions, weights):
        bias = np.asarray(params["params"]["dit"]["time_in"]["bias"])
        assert np.array_equal(bias, high) or np.array_equal(bias, low)
        seen.append(
            {
                "expert": 0 if np.array_equal(bias, high) else 1,
                "timestep": float(timestep[0]),
                "text": np.asarray(conditions.text_given).reshape(len(weights), -1)[:, 0].tolist(),
                "tags": np.asarray(conditions.tags_given).reshape(len(weights), -1)[:, 0].tolist(),
                "weights": np.asarray(weights).tolist(),
            }
        )
        return jnp.zeros_like(latents)

    monkeypatch.setattr(pipeline, "guided_velocity", fake)
    return seen


@pytest.mark.parametrize(
    ("request_", "text", "tags", "weights"),
    [
        (BOTH, [False, True, True], [False, False, True], [-4, 3, 2]),
        (TEXT, [False, True], [False, False], [-4, 5]),
        (TAGS, [False, False], [False, True], [-1, 2]),
        (NEITHER, [False], [False], [1]),
    ],
    ids=["both", "text", "tags", "neither"],
)
def test_each_form_runs_its_forwards(model, calls, request_, text, tags, weights):
    generate_clips(model, [request_], QUICK)
    assert len(calls) == QUICK.steps
    for call in calls:
        assert (call["text"], call["tags"], call["weights"]) == (text, tags, weights)


def test_experts_are_handed_over_at_the_boundary_on_shifted_sigma(model, calls):
    settings = SamplerSettings(
        steps=12, batch=1, solver="euler", guidance_text=(4.0, 3.0), guidance_tag=(1.0, 1.5)
    )
    generate_clips(model, [BOTH], settings)
    experts = [call["expert"] for call in calls]
    times = [call["timestep"] for call in calls]
    assert times == sorted(times, reverse=True) and all(t == int(t) for t in times)
    assert experts == [0 if t >= 900 else 1 for t in times]
    assert 0 < experts.count(0) < 12
    # The shift is 3: more than the 10 % of steps that unshifted time above 0.9 would give.
    assert experts.count(0) >= 3
    expected = {0: [-3, 3, 1], 1: [-2, 1.5, 1.5]}
    assert all(call["weights"] == expected[call["expert"]] for call in calls)


def test_float_timesteps_where_asked(model, calls):
    generate_clips(model, [NEITHER], replace(QUICK, integer_timestep=False))
    assert any(call["timestep"] != int(call["timestep"]) for call in calls)


def test_a_clip_does_not_depend_on_its_batch(model):
    others = [replace(BOTH, seed=s) for s in (7, 8)]
    last = replace(BOTH, text="rain falls", seed=3)
    requests = [others[0], TEXT, last, others[1]]
    together = generate_clips(model, requests, QUICK)
    np.testing.assert_array_equal(together[2], generate_clips(model, [last], QUICK)[0])
    np.testing.assert_array_equal(together[1], generate_clips(model, [TEXT], QUICK)[0])
    assert (together[0] != together[2]).any()


def test_steps_are_counted(model, calls):
    requests = [BOTH, TEXT, BOTH, BOTH]
    generate_clips(model, requests, QUICK)
    assert count_steps(model, requests, QUICK) == len(calls) == 3 * 3
    assert generate_clips(model, [], QUICK).shape == (0, 5, 16, 16, 3)


def test_noise_is_each_seeds_own():
    together, alone = start_noise([3, 2**32 - 1], (2, 4)), start_noise([2**32 - 1], (2, 4))
    np.testing.assert_array_equal(together[1], alone[0])
    assert not np.array_equal(together[0], together[1])
    assert abs(float(start_noise([5], (4000,)).std()) - 1) < 0.05


def test_guided_velocity_is_equation_13(model):
    plan = plan_sampling(model, QUICK)
    given = batch_conditions(model, [BOTH, replace(BOTH, text="snow")], plan.clip)
    branches = [Branch(False), Branch(True), Branch(True, ALL_AXES)]
    params = model.experts[1]
    latents, time = start_noise([1, 2], plan.latent_shape), jnp.full(2, 700.0)
    found = guided_velocity(
        model.transformer,
        params,
        latents,
        time,
        branch_conditions(given, branches),
        jnp.array([-4.0, 3.0, 2.0]),
    )
    nothing, text, both = (
        model.velocity(1, latents, time, branch_conditions(given, [branch])) for branch in branches
    )
    assert float(jnp.abs(both - text).max()) > 1e-3 and float(jnp.abs(text - nothing).max()) > 1e-3
    expected = nothing + 5.0 * (text - nothing) + 2.0 * (both - text)
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_branches_withhold_axes_and_negative_text_stands_in(model):
    plan = plan_sampling(model, QUICK)
    style_only = Request(parse_tags("VideoStyle: Shinkai Style"), "a girl waits", 0)
    given = batch_conditions(model, [BOTH, style_only, TAGS], plan.clip)
    negative = jnp.ones_like(given.text[0])
    made = branch_conditions(given, [Branch(False, (3, 4)), Branch(True, (1,))], negative)
    mask, axes = np.asarray(made.tags.mask), np.asarray(made.tags.values[..., 0])
    assert set(axes[0][mask[0]]) == {3, 4} and not mask[1].any() and set(axes[3][mask[3]]) == {1}
    assert made.tags_given.tolist() == [True, False, True, True, True, True]
    assert made.text_given.tolist() == [True, True, True, True, True, False]
    np.testing.assert_array_equal(made.text[0], negative)
    np.testing.assert_array_equal(made.text[3], given.text[0])
    assert branch_conditions(given, [Branch(True)]).text_given.tolist() == [True, True, False]


def test_a_negative_text_is_steered_away_from_and_never_asked_for(model):
    plan = plan_sampling(model, QUICK)
    given = batch_conditions(model, [TAGS], plan.clip)
    negative, empty = jnp.ones_like(given.text[0]), jnp.zeros_like(given.text[0])
    tagged = Branch(False, ALL_AXES)
    both = branch_conditions(given, [Branch(False), tagged], negative)
    assert both.text_given.tolist() == [True, False]
    alone = branch_conditions(given, [tagged], negative)
    assert alone.text_given.tolist() == [False]
    wan = branch_conditions(given, [Branch(False), tagged], negative, empty)
    assert wan.text_given.all() and wan.text[0].all() and not wan.text[1].any()
    assert not branch_conditions(given, [Branch(False)], negative, empty).text.any()


def test_reference_marks_the_first_latent_frame(model):
    plan = plan_sampling(model, QUICK)
    image = np.full((20, 40, 3), (250, 10, 10), np.uint8)
    made = batch_conditions(model, [replace(BOTH, references={0: image}), BOTH], plan.clip)
    assert made.reference_mask.tolist() == [[[1.0] * 4, [0.0] * 4], [[0.0] * 4] * 2]
    np.testing.assert_array_equal(made.reference[1], model.blank_reference(5, 16, 16))
    frames = np.zeros((1, 5, 16, 16, 3), np.uint8)
    frames[0, 0] = (250, 10, 10)
    np.testing.assert_array_equal(made.reference[0], model.encode_reference(frames)[0])


def test_a_directive_becomes_a_request():
    assert Request.of(Directive(SPEC, "A girl.", "She waits."), 4) == Request(
        SPEC, "A girl. She waits.", 4
    )


def test_damaged_weights_are_said(model, monkeypatch):
    monkeypatch.setattr(pipeline, "guided_velocity", lambda t, p, latents, *rest: latents * jnp.nan)
    with pytest.raises(ValueError, match="not finite"):
        generate_clips(model, [BOTH], QUICK)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"frames": 6}, r"4n\+1 frames, not 6"),
        ({"height": 18}, "height 18"),
        ({"width": 20}, "width 20 does not suit the model's patches: it goes in steps of 8"),
    ],
)
def test_clips_that_the_model_cannot_make(model, changes, sentence):
    with pytest.raises(ValueError, match=sentence):
        plan_sampling(model, replace(QUICK, **changes))


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"steps": 0}, "steps must be at least 1"),
        ({"solver": "unpic"}, "no solver 'unpic': did you mean unipc"),
        ({"grid": "wann"}, "no grid 'wann': did you mean wan"),
    ],
)
def test_settings_that_cannot_be(changes, sentence):
    with pytest.raises(ValueError, match=sentence):
        SamplerSettings(**changes)


def test_requests_that_the_model_cannot_serve(tmp_path):
    card = tiny_card()
    bare = replace(card.transformer, conditioning=None)
    old = replace(card.transformer, conditioning=replace(card.transformer.conditioning, values=3))
    for changes, request, sentence in (
        ({"transformer": bare}, BOTH, "takes no tags"),
        ({"transformer": old}, BOTH, "is older than the tag"),
        (
            {"reference": None},
            replace(BOTH, references={0: np.zeros((4, 4, 3), np.uint8)}),
            "takes no r",
        ),
        ({}, replace(BOTH, seed=-1), "a seed goes from 0"),
    ):
        with pytest.raises(ValueError, match=sentence):
            check_request(Model(tmp_path, replace(card, **changes)), request, 5)
    with pytest.raises(ValueError, match="has no transformer"):
        plan_sampling(Model(tmp_path, ModelCard(vae=card.vae)), QUICK)
    with pytest.raises(ValueError, match="no clip on its card"):
        plan_sampling(Model(tmp_path, replace(card, clip=None)), QUICK)
