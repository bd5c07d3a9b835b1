"""The learned oracle at work: what it takes of a clip, scores above a floor, a figure's points."""

from pathlib import Path

import jax
import numpy as np
import pytest

from animatrix_jax.models.oracle import OracleConfig, OracleNet
from animatrix_jax.runtime.oracle import (
    FaultAccuracy,
    LearnedOracle,
    OracleCard,
    clip_views,
    load_learned_oracle,
    save_oracle,
)

CONFIG = OracleConfig(
    {"VFX": ("none", "Rain"), "Fault:tear": ("none", "tear")}, 5, 32, 32, dim=8, hidden=24,
    course=8, listen=8, fault_hidden=8, look=16, streams=("framed", "field", "statistics"),
    framed=("VFX",), frame_dims=(8, 16, 16), points=("head", "hip"), skip=2, pairs=4,
)  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder with an untrained oracle that hears of tears from 0.2 on."""
    shapes = jax.eval_shape(OracleNet(CONFIG).init, jax.random.key(0), **CONFIG.inputs(1))
    random = np.random.default_rng(0)
    params = jax.tree.map(lambda leaf: 0.2 * random.normal(size=leaf.shape).astype("f4"), shapes)
    fault = FaultAccuracy(auc=0.99, reconstructed=None, correlation=0.0, floor=0.2, clips=4)
    path = tmp_path_factory.mktemp("model")
    save_oracle(path, params, OracleCard(CONFIG, 8.0, faults={"Fault:tear": fault}))
    return path


@pytest.fixture(scope="module")
def clip() -> np.ndarray:
    """Random pixels, twice as wide as the oracle's frames and at twice its rate."""
    return np.random.default_rng(0).integers(0, 255, (11, 32, 64, 3)).astype(np.uint8)


def test_views_are_what_the_network_takes(clip: np.ndarray) -> None:
    views = clip_views(clip[:5, :, :32], 8.0, CONFIG)
    shapes = {name: shape.shape[1:] for name, shape in CONFIG.inputs(1).items()}
    assert {name: view.shape for name, view in views.items()} == shapes
    np.testing.assert_array_equal(views["frames"], clip[:5:2, :, :32])


def test_a_score_below_its_floor_is_nothing(
    folder: Path, clip: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    oracle = load_learned_oracle(folder)
    for raw, read in ((0.1, 0.0), (0.2, 0.0), (0.6, 0.5), (1.0, 1.0)):
        scores = {"VFX": np.array([0.3, 0.7]), "Fault:tear": np.array([1 - raw, raw])}
        monkeypatch.setattr(LearnedOracle, "_each", lambda *_, found=scores: iter([found]))
        reading = oracle(clip, 16.0)
        assert reading["Fault:tear"]["tear"] == pytest.approx(read)
        assert sum(reading["Fault:tear"].values()) == pytest.approx(1.0)
        assert reading["VFX"] == {"none": 0.3, "Rain": 0.7}


def test_points_are_in_the_pixels_of_the_clip_at_each_of_its_frames(
    folder: Path, clip: np.ndarray
) -> None:
    found = load_learned_oracle(folder).keypoints(clip, 16.0)
    assert set(found.places) == set(found.confidence) == {"head", "hip"}
    head = found.places["head"]
    assert head.shape == (11, 2) and found.confidence["head"].shape == (11,)
    assert (head > 0).all() and (head < (64, 32)).all()
    np.testing.assert_allclose(head[2], (head[0] + head[4]) / 2)
    np.testing.assert_allclose(head[8:], head[8:9].repeat(3, axis=0))


def test_an_oracle_without_points_says_so(folder: Path, clip: np.ndarray) -> None:
    oracle = load_learned_oracle(folder)
    blind = LearnedOracle(folder, OracleCard(OracleConfig({"VFX": ("none", "Rain")}, 5, 32, 32), 8))
    with pytest.raises(ValueError, match="finds no points"):
        blind.keypoints(clip, 16.0)
    with pytest.raises(ValueError, match="reads 5 frames at 8 fps"):
        oracle.keypoints(clip[:8], 16.0)
