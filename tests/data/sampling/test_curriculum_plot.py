"""The picture of the curriculum is written whole, in the format its name asks for."""

import numpy as np
import pytest

from animatrix_data.sampling.curriculum import Curriculum, difficulty_buckets
from animatrix_data.sampling.curriculum_plot import plot_curriculum

BUCKETS = difficulty_buckets(np.random.default_rng(0).random((50, 3)), Curriculum().quantiles)


def test_the_picture_names_what_it_shows(tmp_path):
    path = tmp_path / "drawn.svg"
    plot_curriculum(path, BUCKETS, np.ones(50), Curriculum())
    picture = path.read_text(encoding="utf-8")
    for text in ("D 0.4–0.6", "deformation", "Tags a prompt", "progress τ"):
        assert text in picture
    assert [file.name for file in tmp_path.iterdir()] == ["drawn.svg"]


def test_mistakes_are_named(tmp_path):
    with pytest.raises(ValueError, match="a plot ends in"):
        plot_curriculum(tmp_path / "drawn.mp4", BUCKETS, np.ones(50), Curriculum())
    assert not list(tmp_path.iterdir())
