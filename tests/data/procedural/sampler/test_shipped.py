"""The samplers that the shipped model learnt keep to its vocabulary, its places and its staging."""

from dataclasses import replace
from itertools import count

import numpy as np
import pytest

from animatrix_data.procedural import Size, draw_clip, find_sampler, sample_spec, sample_staging
from animatrix_data.procedural.content import Staging, sample_content
from animatrix_data.procedural.sampler import MOVES, shipped
from animatrix_data.procedural.sampler.drawable import DRAWABLE

SPECS = [sample_spec(seed, "pocket") for seed in range(200)]


def test_the_pocket_sampler_draws_its_vocabulary_and_no_more() -> None:
    for field, names in shipped.VOCABULARY.items():
        assert {tag.name for spec in SPECS for tag in spec.get(field)} == set(names)
        assert set(names) <= set(DRAWABLE[field])
    moves = [spec.get("CameraMotion") for spec in SPECS]
    assert {(m.name, m.direction, m.amplitude, m.speed) for (m,) in moves} == {
        (*move, None, None) for move in shipped.MOVES
    }
    assert set(shipped.MOVES) < set(MOVES)
    assert all(shipped.knows(spec) for spec in SPECS)
    assert not any(shipped.knows(sample_spec(seed)) for seed in range(20))


@pytest.mark.parametrize(
    ("sampler", "places", "lights"),
    [("pocket", {"city", "meadow"}, {"noon"}), ("seaside", {"seaside"}, {"sunset"})],
)
def test_a_sampler_keeps_to_its_places(sampler: str, places: set[str], lights: set[str]) -> None:
    staging = sample_staging(0, sampler)
    drawn = [sample_content(seed, staging) for seed in range(60)]
    assert {c.place for c in drawn} == places and {c.light for c in drawn} == lights
    assert sample_spec(4, sampler) == sample_spec(4, "rehearsed")


def test_a_rehearsed_clip_is_staged_alike_whatever_its_seed() -> None:
    spec, size = sample_spec(3, "pocket"), Size(32, 32, 5, 8.0)
    free = Staging(("city",), ("noon",))
    first = sample_content(0, free)
    second = next(seed for seed in count(1) if sample_content(seed, free) == first)

    def drawn(seed: int, staging: Staging) -> np.ndarray:
        return draw_clip(spec, seed, size, staging).frames

    rehearsed = replace(free, rehearsed=True)
    np.testing.assert_array_equal(drawn(0, rehearsed), drawn(second, rehearsed))
    assert not np.array_equal(drawn(0, free), drawn(second, free))
    assert (
        find_sampler("pocket").staging.rehearsed and not find_sampler("balanced").staging.rehearsed
    )
