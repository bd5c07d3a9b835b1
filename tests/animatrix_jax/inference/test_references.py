"""Reference frames: where they stand, how the mask folds, what each kind of model gets."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from animatrix_jax.inference.references import (
    fit_reference,
    fold_mask,
    place_references,
    reference_conditions,
)
from animatrix_jax.runtime.model import load_model

RED = np.full((20, 40, 3), (250, 10, 10), np.uint8)
CLIP = (5, 16, 16)


def test_reference_is_cut_at_its_centre():
    image = np.zeros((10, 40, 3), np.uint8)
    image[:, 15:25] = 200
    fitted = fit_reference(image, 16, 16)
    assert fitted.shape == (16, 16, 3) and (fitted == 200).all()


def test_frames_count_from_either_end():
    assert place_references({0: RED, -1: RED}, 9).keys() == {0, 8}
    with pytest.raises(ValueError, match="frame 9 is outside the clip's 9 frames"):
        place_references({9: RED}, 9)
    with pytest.raises(ValueError, match="two references are at frame 8"):
        place_references({8: RED, -1: RED}, 9)


def test_the_mask_folds_as_wans():
    given = np.array([1, 0, 0, 0, 0, 0, 1, 0, 1], bool)
    assert fold_mask(given, 4).tolist() == [[1, 1, 1, 1], [0, 0, 0, 0], [0, 1, 0, 1]]


def test_channels_hold_every_given_frame(tiny_model: Path):
    model = load_model(tiny_model)
    latents, mask = reference_conditions(model, [{0: RED, -1: RED}, {-1: RED}, {}], CLIP)
    last = [0.0, 0.0, 0.0, 1.0]
    assert mask.tolist() == [[[1.0] * 4, last], [[0.0] * 4, last], [[0.0] * 4] * 2]
    np.testing.assert_array_equal(latents[2], model.blank_reference(*CLIP))
    frames = np.zeros((1, *CLIP, 3), np.uint8)
    frames[0, [0, 4]] = (250, 10, 10)
    given = np.array([True, False, False, False, True])
    np.testing.assert_array_equal(latents[0], model.encode_reference(frames, given)[0])
    assert np.abs(latents[0, 1] - latents[1, 1]).max() > 0


def test_the_first_latent_frame_is_the_pictures_own(tiny_model: Path):
    loaded = load_model(tiny_model)
    model = replace(loaded, card=replace(loaded.card, reference="first_latent"))
    latents, mask = reference_conditions(model, [{0: RED}, {}], CLIP)
    still = np.full((1, 1, 16, 16, 3), (250, 10, 10), np.uint8)
    np.testing.assert_array_equal(latents[0, :1], model.encode_video(still)[0])
    assert not np.asarray(latents[0, 1:]).any() and not np.asarray(latents[1]).any()
    assert mask[:, 0].tolist() == [[1.0] * 4, [0.0] * 4]
