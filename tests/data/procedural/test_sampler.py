"""The balanced sampler covers every value of every field, evenly and repeatably."""

from collections import Counter
from dataclasses import replace
from itertools import count

import numpy as np
import pytest

from animatrix_data.procedural import (
    DRAWABLE,
    Size,
    check_drawable,
    draw_clip,
    find_sampler,
    sample_spec,
)
from animatrix_data.procedural.content import PLACES, Staging, sample_content
from animatrix_data.procedural.sampler import MOVES
from animatrix_data.taxonomy import parse_tags, print_tags

COUNT = 600
SPECS = [sample_spec(seed) for seed in range(COUNT)]


@pytest.mark.parametrize("field", [f for f in DRAWABLE if f not in ("CameraMotion", "VFX")])
def test_single_fields_are_uniform(field: str) -> None:
    seen = Counter(tag.name for spec in SPECS for tag in spec.get(field))
    expected = COUNT / len(DRAWABLE[field])
    assert set(seen) == set(DRAWABLE[field])
    assert all(0.65 * expected < count < 1.35 * expected for count in seen.values())


def test_camera_is_uniform_over_movement_and_direction() -> None:
    seen = Counter((tag.name, tag.direction) for s in SPECS for tag in s.get("CameraMotion"))
    assert set(seen) == set(MOVES) and sum(seen.values()) == COUNT
    assert min(seen.values()) > 0.55 * COUNT / len(MOVES)


def test_a_third_of_the_clips_have_no_effect() -> None:
    seen = Counter(tag.name for spec in SPECS for tag in spec.get("VFX"))
    assert set(seen) == set(DRAWABLE["VFX"])
    assert 0.26 < 1 - sum(seen.values()) / COUNT < 0.41


def test_specs_are_complete_drawable_and_repeatable() -> None:
    for seed, spec in enumerate(SPECS[:50]):
        assert spec.complete and sample_spec(seed) == spec
        assert parse_tags(print_tags(spec)) == spec
        check_drawable(spec)


@pytest.mark.parametrize(
    ("sampler", "places", "lights"),
    [("pocket", {"city", "meadow"}, {"noon"}), ("seaside", {"seaside"}, {"sunset"})],
)
def test_a_sampler_keeps_to_its_places(sampler: str, places: set[str], lights: set[str]) -> None:
    staging = find_sampler(sampler).staging
    drawn = [sample_content(seed, staging) for seed in range(60)]
    assert {c.place for c in drawn} == places and {c.light for c in drawn} == lights
    asked = [sample_spec(4, name).replace("CameraMotion", ()) for name in (sampler, "balanced")]
    assert asked[0] == asked[1]
    everywhere = [sample_content(seed) for seed in range(60)]
    assert {c.place for c in everywhere} == set(PLACES)


def test_the_pocket_sampler_leaves_the_cameras_degrees_unnamed() -> None:
    moves = [sample_spec(seed, "pocket").get("CameraMotion")[0] for seed in range(60)]
    assert {(move.amplitude, move.speed) for move in moves} == {(None, None)}
    assert {(move.name, move.direction) for move in moves} == set(MOVES)


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


def test_an_unknown_sampler_is_named() -> None:
    message = "no sampler 'even': choose from balanced, rehearsed, pocket, seaside"
    with pytest.raises(ValueError, match=message):
        sample_spec(0, "even")
