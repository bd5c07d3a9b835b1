"""The public face: arrays in, arrays out, the same numbers as the rooms below."""

from dataclasses import replace
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

import animatrix_jax
from animatrix_data.taxonomy import parse_directive
from animatrix_jax.inference.animator import Animator
from animatrix_jax.inference.pipeline import generate_clips
from animatrix_jax.inference.request import Request, SamplerSettings
from tests.tiny import tiny_card, write_tiny_model

DIRECTIVE = "<tag>VFX: Rain</tag><summary>A girl waits.</summary>"
FRAMES = np.random.default_rng(0).integers(0, 256, (2, 5, 16, 16, 3), np.uint8)


@pytest.fixture(scope="module")
def animator(tiny_model: Path) -> Animator:
    return animatrix_jax.load(tiny_model)


def test_arrays_go_in_and_come_out(animator: Animator) -> None:
    latents = animator.encode_video(FRAMES)
    assert latents.shape == (2, 2, 4, 4, 4)
    assert animator.encode_text(["a girl", ""]).shape == (2, 24, 16)
    shown = animator.decode(latents)
    assert shown.shape == FRAMES.shape and shown.dtype == np.uint8


def test_velocity_asks_the_timesteps_expert_under_the_conditions(animator: Animator) -> None:
    latents, text = animator.encode_video(FRAMES), ["a girl", "snow"]
    tags, pictures = ["VFX: Rain", ""], [{0: FRAMES[0, 0]}, {}]
    high, low = (animator.velocity(latents, t, text, tags, pictures) for t in (900.0, 899.0))
    assert high.shape == latents.shape and float(jnp.abs(high - low).max()) > 0.1
    untagged = animator.velocity(latents, 899.0, text, ["", ""], pictures)
    changed = np.abs(untagged - low).reshape(2, -1).max(axis=1)
    assert changed[0] > 1e-3 and changed[1] == 0
    freed = animator.velocity(latents, 899.0, text, tags)
    changed = np.abs(freed - low).reshape(2, -1).max(axis=1)
    assert changed[0] > 1e-3 and changed[1] == 0
    again = animator.velocity(latents, 899.0, animator.encode_text(text), tags, pictures)
    np.testing.assert_allclose(again, low, atol=1e-6)
    with pytest.raises(ValueError, match="text is given for 1 clips, latents for 2"):
        animator.velocity(latents, 899.0, ["a girl"])
    with pytest.raises(ValueError, match="frame 5 is outside"):
        animator.velocity(latents, 899.0, text, tags, [{5: FRAMES[0, 0]}, {}])


def test_generate_is_the_samplers_clip(animator: Animator) -> None:
    clip = animator.generate(DIRECTIVE, seed=3, references={-1: FRAMES[0, 0]}, steps=2)
    request = Request.of(parse_directive(DIRECTIVE), 3, {-1: FRAMES[0, 0]})
    settings = SamplerSettings(steps=2, batch=1)
    np.testing.assert_array_equal(clip, generate_clips(animator.model, [request], settings)[0])
    assert (clip != animator.generate(DIRECTIVE, seed=3, steps=2)).any()


def test_wan_itself_generates_from_text_and_its_negative(tmp_path: Path) -> None:
    card = tiny_card()
    bare = replace(card.transformer, conditioning=None)
    for reference, channels in (("channels", 12), (None, 4), ("first_latent", 4)):
        config = replace(bare, dit=replace(bare.dit, in_channels=channels))
        folder = tmp_path / str(reference)
        schedule = replace(card.schedule, boundary=None) if reference else card.schedule
        write_tiny_model(
            folder, replace(card, transformer=config, reference=reference, schedule=schedule)
        )
        wan = animatrix_jax.load(folder)
        assert (folder / "transformer").exists() == (reference is not None)
        words = "<summary>A girl waits.</summary>"
        first, other = (wan.generate(words, steps=2, negative=text) for text in ("", "blurry"))
        assert (first != other).any()
        if reference:
            held = wan.generate(words, steps=2, references={0: FRAMES[0, 0]})
            assert (held != first).any()
        else:
            with pytest.raises(ValueError, match="takes no reference frame"):
                wan.generate(words, references={0: FRAMES[0, 0]})
        with pytest.raises(ValueError, match="takes no tags"):
            wan.generate(DIRECTIVE)
    with pytest.raises(ValueError, match="at the first frame only"):
        wan.generate(words, references={-1: FRAMES[0, 0]})


def test_nothing_else_stands_at_the_front_door() -> None:
    with pytest.raises(AttributeError, match="no attribute 'lode'"):
        _ = animatrix_jax.lode
