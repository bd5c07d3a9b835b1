"""Swaps: planned so that one thing changes, counted so that the outcome is known."""

import pytest

from animatrix_data.procedural.oracles import answer, answers
from animatrix_jax.evaluation.swaps import Swap, measure_swaps, plan_swaps

FIELDS = ("VideoStyle", "VFX", "CameraMotion")


@pytest.fixture(scope="module")
def swaps() -> list[Swap]:
    return plan_swaps(6, FIELDS, "balanced", seed=1)


def test_one_thing_changes_at_a_time(swaps: list[Swap]) -> None:
    assert [swap.field for swap in swaps] == [*FIELDS, *FIELDS]
    for swap in swaps:
        asked, tag, text, seed = swap.variants()
        assert answers(tag[0], swap.field) == (answer(swap.tag),)
        assert answers(asked[0], swap.field) not in ((), (answer(swap.tag),))
        others = [t for t in asked[0].tags if t.field != swap.field]
        assert others == [t for t in tag[0].tags if t.field != swap.field]
        assert tag[1:] == asked[1:]
        assert (text[0], text[2]) == (asked[0], asked[2]) and text[1] != asked[1]
        assert seed[:2] == asked[:2] and seed[2] != asked[2]


def test_plans_repeat(swaps: list[Swap]) -> None:
    assert plan_swaps(6, FIELDS, "balanced", seed=1) == swaps
    assert plan_swaps(6, FIELDS, "balanced", seed=2) != swaps


def read(swap: Swap, *tops: str) -> list[dict[str, dict[str, float]]]:
    return [{swap.field: {text: 1.0}} for text in tops]


def test_a_perfect_model_follows_the_tag_and_nothing_else(swaps: list[Swap]) -> None:
    rows = []
    for swap in swaps:
        old, new = answers(swap.spec, swap.field)[0], answer(swap.tag)
        rows.append(read(swap, old, new, old, old))
    report = measure_swaps(swaps, rows)
    assert (report.followed.share, report.tag.share) == (1.0, 1.0)
    assert (report.text.share, report.seed.share) == (0.0, 0.0)
    assert report.chance.mean < 1.0
    assert {name: found.trials for name, found in report.fields.items()} == dict.fromkeys(FIELDS, 2)


def test_a_deaf_model_is_at_chance(swaps: list[Swap]) -> None:
    report = measure_swaps(swaps, [read(swap, *["nothing"] * 4) for swap in swaps])
    assert report.followed.hits == report.tag.hits == 0
    assert report.chance.mean == report.chance.bound == 0.0


def test_a_swap_that_is_not_read_counts_as_such(swaps: list[Swap]) -> None:
    rows = [read(swap, "a", answer(swap.tag), "a", "a") for swap in swaps]
    rows[0][2] = {}
    report = measure_swaps(swaps, rows)
    assert (report.unread, report.followed.hits, report.followed.trials) == (1, 5, 5)
    unread = measure_swaps(swaps[:1], rows[:1])
    assert (unread.unread, unread.followed.trials, unread.chance.mean) == (1, 0, 0.0)


def test_no_fields_no_swaps() -> None:
    with pytest.raises(ValueError, match="no tag can be swapped"):
        plan_swaps(4, (), "balanced")
