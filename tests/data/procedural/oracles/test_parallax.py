"""What moves how in a clip, and the pattern in it: of clips whose motion is known, and mirrored."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from animatrix_data.procedural.oracles.parallax import FINE, Parallax, long_spans, parallax
from animatrix_data.procedural.oracles.patterns import (
    FITS,
    IMAGE,
    MIRRORED,
    RATE,
    RATES,
    REVERSED,
    REVERSED_IMAGE,
    Patterns,
    fit_similarity,
    patterns,
    shared_motion,
)

FRAMES, FPS, EDGE, STEP = 9, 8.0, 128, 2


def wide_picture(seed: int = 0) -> np.ndarray:
    """Smooth noise in colour, three frames wide."""
    noise = np.random.default_rng(seed).normal(size=(EDGE, 3 * EDGE, 3))
    smooth = gaussian_filter(noise, (3, 3, 0))
    return np.clip(128 + 60 * smooth / smooth.std(), 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def sliding() -> np.ndarray:
    """A background that slides to the left by two pixels a frame behind a block that stands."""
    picture, block = wide_picture(), wide_picture(1)[:48, :48]
    frames = np.stack([picture[:, STEP * t : STEP * t + EDGE] for t in range(FRAMES)])
    frames[:, 40:88, 40:88] = block
    return frames


def of_clips(*clips: np.ndarray) -> Patterns:
    seen: list[Parallax] = [parallax(clip, FPS) for clip in clips]
    return patterns(
        np.stack([one.short for one in seen]),
        np.stack([one.long for one in seen]),
        np.stack([one.colours for one in seen]),
    )


def test_flow_is_seen_over_two_spans(sliding: np.ndarray) -> None:
    seen = parallax(sliding, FPS)
    starts, span = long_spans(FRAMES, FPS)
    assert (list(starts), span) == ([0, 2, 4], 4)
    assert seen.short.shape == (FRAMES - 1, FINE, FINE, 6)
    assert seen.long.shape == (3, FINE, FINE, 3)
    assert seen.colours.shape == (FRAMES, FINE, FINE, 3)
    edge = seen.short[:, 2:8, 4:28], seen.long[:, 2:8, 4:28]
    for pairs, cells in zip((1, span), edge, strict=True):
        np.testing.assert_allclose(np.median(cells[..., 0]), -pairs * STEP / EDGE, rtol=0.06)
        np.testing.assert_allclose(np.median(cells[..., 1]), 0, atol=0.002)
    np.testing.assert_allclose(np.median(seen.short[:, 12:20, 12:20, :2]), 0, atol=0.002)


def test_what_stands_before_a_sliding_background_stands_out(sliding: np.ndarray) -> None:
    found = of_clips(sliding)
    across, rest = found.image[0, ..., 0], found.image[0, ..., 4]
    block = (slice(12, 20), slice(12, 20))
    assert np.median(across[2:8]) < -0.9 and abs(np.median(across[block])) < 0.2
    assert abs(np.median(rest[2:8])) < 0.2 and np.median(rest[block]) > 0.9
    still, keeping = np.median(found.image[0, ..., RATE][block]), found.image[0, 2:8, :, RATE]
    assert abs(still) < 0.1 and abs(np.median(keeping) - np.arcsinh(1)) < 0.15
    shares = found.totals[0, FITS : FITS + 3 * len(RATES)].reshape(3, -1)
    assert RATES[shares[0].argmax()] == pytest.approx(np.arcsinh(3), abs=0.25)
    assert found.totals[0, 2] > 0.9, "one course explains all of a steady slide"


def test_a_mirrored_clip_has_the_mirrored_pattern(sliding: np.ndarray) -> None:
    found = of_clips(sliding, sliding[:, :, ::-1])
    turned = found.image[1][:, ::-1] * MIRRORED[0]
    apart = np.abs(turned - found.image[0])
    assert np.median(apart) < 0.02 and np.quantile(apart, 0.95) < 0.3
    for index, (name, near) in enumerate((("course", 0.3), ("totals", 0.2)), start=1):
        one, other = getattr(found, name)
        np.testing.assert_allclose(other * MIRRORED[index], one, atol=near)


def test_a_clip_played_backwards_moves_the_other_way(sliding: np.ndarray) -> None:
    found = of_clips(sliding, sliding[::-1])
    turned = found.image[1][..., list(REVERSED_IMAGE)] * REVERSED[0]
    moved = np.abs(turned - found.image[0])[..., :4]
    assert np.median(moved) < 0.05
    np.testing.assert_allclose(found.course[1][::-1] * REVERSED[1], found.course[0], atol=0.4)


def test_turning_twice_changes_nothing() -> None:
    assert sorted(REVERSED_IMAGE) == list(range(IMAGE))
    twice = [REVERSED_IMAGE[k] for k in REVERSED_IMAGE]
    assert twice == list(range(IMAGE))
    for signs in (*MIRRORED, *REVERSED):
        np.testing.assert_array_equal(signs * signs, np.ones_like(signs))


def test_a_similarity_is_found_beside_what_moves_otherwise() -> None:
    at = (np.arange(16) + 0.5) / 16 - 0.5
    x, y = np.meshgrid(at, at)
    wanted = np.array([0.02, -0.01, 0.1, 0.03])
    across, down, growth, turn = wanted
    flow = np.stack([across + growth * x - turn * y, down + growth * y + turn * x], axis=-1)
    flow[5:9, 6:10] += 0.2
    fit, rest, agreed = fit_similarity(flow[None], np.ones((1, 16, 16)))
    np.testing.assert_allclose(fit[0], wanted, atol=0.004)
    assert np.abs(rest[0, 6, 7]).min() > 0.15 and agreed[0, 6, 7].max() < 0.1


def test_what_passes_a_cell_weighs_little_in_what_it_shares() -> None:
    way = np.array([1, 2, 3, 2, 1, 0], np.float32) * 0.01
    flow = np.zeros((1, 6, 32, 32, 2), np.float32)
    flow[..., 0] = way[:, None, None]
    flow[:, 2, :16, :16] = (-0.1, 0.1)
    found = shared_motion(flow, np.full(flow.shape[:-1], 0.5, np.float32), 0.003)
    length = float(np.linalg.norm(way))
    np.testing.assert_allclose(found.profile[0], way / length, atol=0.05)
    np.testing.assert_allclose(found.pattern[0, 20, 20], [length, 0], rtol=0.05, atol=1e-4)
    assert abs(found.pattern[0, 4, 4, 0] - length) < 0.3 * length
    assert found.agreed[0, 4, 4] < 0.8 < found.agreed[0, 20, 20]


def test_a_clip_too_short_is_refused_with_a_sentence() -> None:
    with pytest.raises(ValueError, match="must have 5 frames or more to be read, not 4"):
        parallax(np.zeros((4, 32, 32, 3), np.uint8), FPS)
    assert long_spans(33, 16.0) == (range(0, 25, 4), 8)
