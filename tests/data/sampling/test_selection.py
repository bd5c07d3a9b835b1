"""Selection is a pure function of (seed, i): in any order, in threads, in another process."""

import dataclasses
import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from animatrix_data.sampling.curriculum import Curriculum
from animatrix_data.sampling.selection import (
    CACHED_BLOCKS,
    I2V,
    T2I,
    T2V,
    Phase,
    Selection,
    Source,
    moving_ratio,
)

RATIO = (0.2, 0.4, 0.4)
LENGTH = 6400


def source(name="clips", clips=40, seed=0, **columns) -> Source:
    random = np.random.default_rng(seed)
    made = {
        "weights": random.random(clips) ** 4,
        "shapes": random.integers(-1, 3, clips),
        "buckets": random.integers(0, 27, clips),
    }
    return Source(name, **(made | columns))


CLIPS, PICTURES = source(), source("pictures", 9, 1, stills=True)


def selection(seed=5, **changes) -> Selection:
    phases = (
        Phase(640, (0.5, 0.3, 0.2), (CLIPS,)),
        Phase(None, RATIO, (CLIPS, PICTURES), (3, 1)),
    )
    settings = {"curriculum": Curriculum(quantiles=3), "samples": LENGTH}
    return Selection(phases, seed, **(settings | changes))


def one(**columns) -> Selection:
    """A selection without end from one source."""
    return Selection([Phase(None, RATIO, (source(**columns),))], 0)


WANTED = [selection()(index) for index in range(LENGTH)]
INDICES = st.lists(st.integers(0, LENGTH - 1), min_size=1, max_size=300)


@given(INDICES)
def test_samples_are_the_same_in_any_order_and_after_a_stop(indices):
    found, resumed = selection(), pickle.loads(pickle.dumps(selection()))
    for index in indices:
        assert found(index) == WANTED[index] == resumed(index)


def test_samples_are_the_same_in_threads():
    shared = selection()
    order = np.random.default_rng(0).permutation(LENGTH).tolist()
    assert LENGTH // 64 < CACHED_BLOCKS
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(shared, order))
    assert found == [WANTED[index] for index in order]


def test_forgotten_blocks_come_back_the_same():
    found = one()
    first = [found.draw(number) for number in range(CACHED_BLOCKS + 1)]
    again = found.draw(0)
    assert again is not first[0]
    np.testing.assert_array_equal(again.clips, first[0].clips)
    with pytest.raises(ValueError, match="read-only"):
        again.clips[0] = 1


def test_another_seed_draws_other_samples():
    other = selection(seed=6)
    assert sum(other(i) == WANTED[i] for i in range(LENGTH)) < LENGTH / 4


def test_a_block_has_one_kind_one_source_one_shape_one_progress():
    found = selection()
    assert found.sources == ("clips", "pictures")
    for number in range(LENGTH // 64):
        block = found.draw(number)
        assert block.phase == (number >= 10)
        assert block.tau == number * 64 / LENGTH
        columns = (CLIPS, PICTURES)[block.source]
        assert (columns.shapes[block.clips] == block.shape).all() and block.shape >= 0
        assert (block.tasks == T2I).all() if block.images else set(block.tasks) == {T2V, I2V}
        assert block.images or block.source == 0
        rows = WANTED[number * 64 : (number + 1) * 64]
        assert [row.clip for row in rows] == block.clips.tolist()
        assert {row[3:6] for row in rows} == {(block.shape, block.images, block.tau)}


def test_a_clip_without_weight_or_shape_is_never_drawn():
    weights = np.ones(40)
    weights[::2] = 0
    found = one(weights=weights)
    drawn = np.concatenate([found.draw(number).clips for number in range(200)])
    assert set(drawn) == set(np.flatnonzero((weights > 0) & (source().shapes >= 0)))


def test_weights_of_any_scale_draw_alike():
    weights = source().weights
    small, large = one(weights=weights * 2.0**-1000), one(weights=weights * 2.0**1000)
    for number in range(50):
        np.testing.assert_array_equal(small.draw(number).clips, large.draw(number).clips)


def test_a_phase_begins_at_the_block_whose_first_sample_is_its_own():
    phases = (Phase(65, (1, 0, 0), (CLIPS,)), Phase(63, (0, 1, 0), (CLIPS,)))
    found = Selection(phases, 0)
    assert [found.draw(number).phase for number in range(4)] == [0, 0, 1, 1]
    assert [found.draw(number).images for number in range(4)] == [True, True, False, False]
    assert [found.draw(number).tau for number in range(4)] == [0, 0.5, 1, 1]


def test_without_an_end_the_progress_is_one_and_buckets_are_left_alone():
    plain, graded = one(buckets=None), one()
    for number in range(50):
        assert graded.draw(number).tau == 1
        np.testing.assert_array_equal(graded.draw(number).clips, plain.draw(number).clips)


def test_a_source_named_twice_is_one():
    phases = [Phase(64, RATIO, (CLIPS,)), Phase(64, RATIO, (source("other"), CLIPS), (0, 1))]
    found = Selection(phases, 0)
    assert found.sources == ("clips", "other")
    assert [found.draw(number).source for number in range(4)] == [0, 0, 0, 0]


@given(st.integers(0, LENGTH - 1), st.integers(1, 5))
def test_a_sample_drawn_again_is_another_clip_of_its_block(index, attempt):
    found = selection()
    again = found.redraw(index, attempt)
    assert again == selection().redraw(index, attempt)
    assert again._replace(clip=0) == WANTED[index]._replace(clip=0)
    assert (CLIPS, PICTURES)[again.source].shapes[again.clip] == again.shape


def test_clips_drawn_again_are_other_clips():
    found = one(clips=1000)
    drawn = np.array(
        [[found(i).clip, *(found.redraw(i, n).clip for n in (1, 2))] for i in range(640)]
    )
    assert (np.diff(drawn, axis=1) == 0).mean() < 0.05


def test_a_ratio_moves_evenly_along_the_stages():
    found = moving_ratio((0.5, 0.3, 0.2), RATIO, 4)
    wanted = [(0.5, 0.3, 0.2), (0.4, 1 / 3, 4 / 15), (0.3, 11 / 30, 1 / 3), RATIO]
    np.testing.assert_allclose(found, wanted, atol=1e-12)
    np.testing.assert_allclose(moving_ratio((5, 3, 2), (2, 4, 4), 4), wanted, atol=1e-12)
    assert moving_ratio((1, 0, 0), RATIO, 1) == ((1, 0, 0),)


def broken(column: str, place: int, value: float) -> Source:
    values = np.array(getattr(source(), column))
    values[place] = value
    return dataclasses.replace(source(), **{column: values})


MISTAKES = {
    "clip 7 of source 'clips' has the weight nan": lambda: broken("weights", 7, np.nan),
    "clip 3 of source 'clips' has the weight -1": lambda: broken("weights", 3, -1),
    "clip 0 of source 'clips' has the weight inf": lambda: broken("weights", 0, np.inf),
    "clip 9 of source 'clips' is in difficulty bucket 27, .* has 27": lambda: broken(
        "buckets", 9, 27
    ),
    "the weights of source 'clips' sum to zero": lambda: source(weights=np.zeros(40)),
    "none of the 40 clips of source 'clips' has a shape": lambda: source(
        shapes=np.full(40, -1), weights=np.ones(40)
    ),
    "source 'clips' holds no clips": lambda: source(clips=0),
    "one weight, shape and bucket a clip, and has 41, 40 and 40": lambda: source(
        weights=np.ones(41)
    ),
}


@pytest.mark.parametrize("sentence", MISTAKES)
def test_a_source_that_cannot_be_drawn_is_named(sentence):
    phase = Phase(640, RATIO, (MISTAKES[sentence](),))
    with pytest.raises(ValueError, match=sentence):
        Selection([phase], 0, curriculum=Curriculum(quantiles=3))


@pytest.mark.parametrize(
    ("mistake", "sentence"),
    [
        (lambda: Phase(0, RATIO, (CLIPS,)), "a phase needs samples, and one of 0"),
        (lambda: Phase(64, RATIO, ()), "needs a source"),
        (lambda: Phase(64, (0, 0, 0), (CLIPS,)), "task ratio .* not all 0"),
        (lambda: Phase(64, (1, -1, 1), (CLIPS,)), "task ratio .* numbers ≥ 0"),
        (lambda: Phase(64, (1, 1), (CLIPS,)), "task ratio .* must be 3 numbers"),
        (lambda: Phase(64, RATIO, (CLIPS, PICTURES)), "shares of clips, pictures must be 2"),
        (lambda: Phase(64, RATIO, (CLIPS,), (np.nan,)), "shares of clips must be numbers"),
        (lambda: Phase(64, RATIO, (PICTURES,)), "draws from stills alone: pictures"),
        (lambda: Selection([], 0), "needs a phase"),
        (lambda: Selection([Phase(None, RATIO, (CLIPS,))] * 2, 0), "phase 1 of 2 goes on to the"),
        (lambda: selection(samples=None), "needs the number of samples"),
        (lambda: selection(samples=0), "0 of them are given"),
        (lambda: selection(block=0), "a block needs samples"),
        (lambda: selection(curriculum=Curriculum(1e6, -0.5, 3)), "gamma 1e\\+06 and beta -0.5"),
        (lambda: selection()(-1), "blocks are counted from 0"),
        (lambda: moving_ratio(RATIO, (0, 0, 0), 3), "not all 0"),
        (lambda: moving_ratio(RATIO, RATIO, 0), "moves along phases"),
    ],
)
def test_mistakes_are_named(mistake, sentence):
    with pytest.raises(ValueError, match=sentence):
        mistake()
