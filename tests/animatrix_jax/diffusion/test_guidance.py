"""The algebra of eq. 13 and of its shorter forms."""

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from animatrix_jax.diffusion.guidance import (
    ALL_AXES,
    Branch,
    Scales,
    combine,
    guidance_chain,
    guided,
    high_low,
)

NOTHING, TEXT, BOTH, TAGS = (
    Branch(False),
    Branch(True),
    Branch(True, ALL_AXES),
    Branch(False, ALL_AXES),
)


def test_both_channels_are_equation_13():
    assert dict(guidance_chain(Scales(5.0, 2.0), text=True, tags=True)) == {
        NOTHING: -4.0,
        TEXT: 3.0,
        BOTH: 2.0,
    }


def test_shorter_forms():
    scales = Scales(5.0, 2.0)
    assert dict(guidance_chain(scales, text=False, tags=True)) == {NOTHING: -1.0, TAGS: 2.0}
    assert dict(guidance_chain(scales, text=True, tags=False)) == {NOTHING: -4.0, TEXT: 5.0}
    assert dict(guidance_chain(scales, text=False, tags=False)) == {NOTHING: 1.0}


def test_branches_of_no_weight_are_not_run():
    assert dict(guidance_chain(Scales(1.0, 1.0), text=True, tags=True)) == {BOTH: 1.0}
    assert dict(guidance_chain(Scales(3.0, 3.0), text=True, tags=True)) == {
        NOTHING: -2.0,
        BOTH: 3.0,
    }
    assert dict(guidance_chain(Scales(3.0, 0.0), text=True, tags=True)) == {
        NOTHING: -2.0,
        TEXT: 3.0,
    }
    assert dict(guidance_chain(Scales(0.0, 0.0), text=True, tags=True)) == {NOTHING: 1.0}


scale = st.floats(-10, 10)


@given(scale, scale, st.tuples(scale, scale, scale, scale), st.booleans(), st.booleans())
def test_weights_are_the_chain_of_differences(text_scale, tag_scale, fields, text, tags):
    for per_field in (None, fields):
        chain = dict(guidance_chain(Scales(text_scale, tag_scale, per_field), text=text, tags=tags))
        assert sum(chain.values()) == pytest.approx(1.0)
        # Any function of a branch will do as its velocity.
        value = {b: 3.0 * b.text + sum(2.0**a for a in b.axes) + 0.25 for b in chain}
        found = sum(weight * value[branch] for branch, weight in chain.items())
        expected = 0.25 + (text_scale * 3.0 if text else 0.0)
        if tags:
            strengths = (tag_scale,) * 4 if per_field is None else per_field
            expected += sum(w * 2.0**axis for w, axis in zip(strengths, ALL_AXES, strict=True))
        assert found == pytest.approx(expected, abs=1e-6)


def test_equal_field_strengths_are_the_plain_tag_term():
    split = guidance_chain(Scales(5.0, 9.0, (2.0,) * 4), text=True, tags=True)
    assert split == guidance_chain(Scales(5.0, 2.0), text=True, tags=True)


def test_guided_runs_all_branches_in_one_batch():
    calls = []
    offsets = jnp.array([1.0, 10.0, 100.0])

    def velocity(latents, timestep):
        calls.append((latents.shape, np.asarray(timestep)))
        branch = jnp.repeat(offsets, 2)[:, None]
        return latents * branch + timestep[:, None]

    latents, timestep = jnp.array([[1.0], [2.0]]), jnp.array([500.0, 250.0])
    found = guided(velocity, jnp.array([-4.0, 3.0, 2.0]))(latents, timestep)
    assert len(calls) == 1 and calls[0][0] == (6, 1)
    np.testing.assert_array_equal(calls[0][1], [500, 250] * 3)
    np.testing.assert_allclose(found, [[226.0 + 500], [452.0 + 250]])


def test_combine_is_float32_whatever_comes_in():
    assert combine(jnp.ones((2, 1, 3), jnp.bfloat16), jnp.array([0.5, 0.5])).dtype == jnp.float32


@pytest.mark.parametrize(
    ("value", "pair"),
    [(5, (5.0, 5.0)), ("5", (5.0, 5.0)), ("4,3", (4.0, 3.0)), ((4, 3.5), (4.0, 3.5))],
)
def test_high_low(value, pair):
    assert high_low(value, "guidance_text") == pair


@pytest.mark.parametrize("value", ["", "a", "1,2,3", (1, 2, 3), "nan,1", "inf", None])
def test_high_low_refuses(value):
    with pytest.raises(ValueError, match="guidance_text takes a number"):
        high_low(value, "guidance_text")
