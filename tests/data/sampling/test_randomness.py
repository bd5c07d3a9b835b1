"""Random numbers by (seed, block, purpose): the same whenever asked, different streams apart."""

import itertools

import numpy as np
import pytest

from animatrix_data.sampling.randomness import PURPOSES, block_generator


def test_streams_are_repeated_and_never_shared():
    keys = list(itertools.product((0, 1, 2**63), (0, 1, 2**40), PURPOSES))
    found = {key: block_generator(*key).random(8).tobytes() for key in keys}
    assert len(set(found.values())) == len(keys)
    assert all(block_generator(*key).random(8).tobytes() == found[key] for key in keys)


def test_a_stream_is_fixed_for_good():
    # Another number here would change every run that is resumed.
    assert block_generator(7, 3, "block").random() == 0.43900223090044976
    assert block_generator(7, 3, "wording").random() == 0.32153261236723374
    assert block_generator(-1, 3, "mode").random() == block_generator(2**64 - 1, 3, "mode").random()


def test_a_long_block_does_not_run_into_the_next():
    long = block_generator(0, 0, "mode").random(100_000)
    assert not np.isin(block_generator(0, 1, "mode").random(100), long).any()


@pytest.mark.parametrize(
    ("block", "purpose", "sentence"),
    [(0, "synonyms", "did you mean synonym"), (-1, "mode", "blocks are counted from 0")],
)
def test_mistakes_are_named(block, purpose, sentence):
    with pytest.raises(ValueError, match=sentence):
        block_generator(0, block, purpose)
