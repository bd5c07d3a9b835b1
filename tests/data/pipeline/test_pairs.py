"""Pairs through the loader: winners and losers, and conditions that the place decides."""

import pickle

import numpy as np
import pytest

from animatrix_data.corpus.pairs import PairRow, Pairs
from animatrix_data.pipeline.loader import LoaderSettings
from animatrix_data.pipeline.pairs import PairSelection, Places, PlaceSequence, split_pairs
from tests.data.pipeline.fakes import Frames, Latents, Z, batches, feed, flatten

SHAPES = [(5, 2, 2)] * 8 + [(3, 2, 4)] * 4
CLIPS = [(0, 1, "I2V"), (2, 1, "T2V"), (3, 4, "I2V"), (5, 6, "T2V"), (8, 9, "T2V"), (10, 11, "I2V")]
PAIRS = Pairs(
    tuple(
        PairRow(f"{w}>{lost}", f"clip{w}", f"clip{lost}", t, 1.0, "truth") for w, lost, t in CLIPS
    ),
    tuple(w for w, _, _ in CLIPS),
    tuple(lost for _, lost, _ in CLIPS),
)
PLACES = Places(PAIRS, 4)
FEED = PLACES.feed(feed(Latents(SHAPES)))
BATCH = LoaderSettings(8, 0, block=64, on_bad="raise")


def selection(rows=None, own=FEED) -> PairSelection:
    rows = PLACES.rows_of(np.arange(len(PAIRS))) if rows is None else rows
    return PairSelection(PLACES, own, rows, 0, 64)


def shown(found, drawn) -> np.ndarray:
    """Return the places that a batch shows, [E, b]."""
    index = found["sample_index"].astype(np.int64)
    return np.vectorize(lambda sample: drawn(sample).clip)(index[..., 1])


def test_a_batch_holds_winners_then_losers_and_the_winners_reference() -> None:
    drawn = selection()
    for batch in batches(BATCH, 12, [FEED], drawn):
        places = shown(batch, drawn)
        pair, _ = PLACES.pair_and_draw(places)
        winners, losers = (np.array(rows)[pair] for rows in (PAIRS.winners, PAIRS.losers))
        latents = batch["latents"]
        length = latents.shape[2] // 2
        assert latents.shape[-1] == Z and length == SHAPES[winners[0, 0]][0]
        np.testing.assert_array_equal(latents[:, :, 0, 0, 0, 0], winners)
        np.testing.assert_array_equal(latents[:, :, length - 1, 0, 0, 0], winners)
        np.testing.assert_array_equal(latents[:, :, length, 0, 0, 0], losers)
        assert (batch["task"] == PLACES.tasks[pair]).all()
        given = PLACES.tasks[pair] == 2
        reference = batch["reference"][:, :, 0, 0, 0, 0]
        np.testing.assert_array_equal(reference, np.where(given, -winners, 0.5))
        np.testing.assert_array_equal(batch["reference_mask"][:, :, 0, 0], given)
        assert not batch["reference_mask"][:, :, 1:].any()


def test_frames_are_read_of_both() -> None:
    places = Places(Pairs(PAIRS.rows[:4], PAIRS.winners[:4], PAIRS.losers[:4]), 2)
    own = places.feed(feed(Frames()))
    drawn = PairSelection(places, own, np.arange(len(places)), 0, 64)
    batch = batches(BATCH, 1, [own], drawn)[0]
    winners = np.array(places.pairs.winners)[shown(batch, drawn) // 2]
    assert batch["frames"].shape == (2, 4, 34, 8, 8, 3)
    np.testing.assert_array_equal(batch["frames"][:, :, 16, 0, 0, 0], winners)
    assert (batch["frames"][:, :, 17, 0, 0, 0] != winners).all()


def test_a_place_has_the_same_words_whichever_sample_shows_it() -> None:
    drawn, met = selection(), dict[int, bytes]()
    seen = 0
    every = [np.arange(len(PLACES))] * 2
    sequence = PlaceSequence(PLACES, FEED, every, 8)
    for source, count in ((drawn, 40), (sequence, sequence.batches)):
        for batch in batches(BATCH, count, [FEED], source):
            flat, places = flatten(batch), shown(batch, source)
            for expert, row in np.ndindex(places.shape):
                words = b"".join(
                    flat[name][expert, row].tobytes()
                    for name in ("mode", "text_ids", "tags/values", "tags/mask")
                )
                seen += int(places[expert, row]) in met
                assert met.setdefault(int(places[expert, row]), words) == words
    assert len(met) == len(PLACES) and seen > 200
    assert len({words for place, words in met.items() if place < 4}) > 1, "draws differ in words"


def test_the_selection_is_pure_and_counts_its_places() -> None:
    drawn, again = selection(np.arange(8, 12)), pickle.loads(pickle.dumps(selection()))
    assert {drawn(i).clip for i in range(300)} == {8, 9, 10, 11}
    assert [again(i) for i in range(70)] == [selection()(i) for i in range(70)]
    first = selection().first(100)
    assert first.tolist() == [selection()(i).clip for i in range(100)]


def test_a_sequence_shows_each_experts_places_in_batches_of_one_shape() -> None:
    rows = [np.array([0, 1, 2, 3, 4, 16, 23]), np.array([5])]
    sequence = PlaceSequence(PLACES, FEED, rows, 4)
    met = [set(), set()]
    for batch in batches(LoaderSettings(4, 0, block=64), sequence.batches, [FEED], sequence):
        for expert, own in enumerate(shown(batch, sequence)):
            met[expert] |= set(own.tolist())
    assert met[0] == set(rows[0].tolist()) and set(rows[1].tolist()) <= met[1]
    assert sequence.batches == 4
    assert PlaceSequence(PLACES, FEED, [np.zeros(0, int)] * 2, 4).batches == 0


def test_pairs_that_share_a_clip_with_those_held_out_are_in_neither() -> None:
    chained = Pairs(PAIRS.rows[:4], (0, 2, 3, 1), (1, 4, 5, 6))
    rows, held_out = split_pairs(chained, 1)
    assert (rows.tolist(), held_out.tolist()) == ([1, 2], [3])
    for count in (4, 9):
        with pytest.raises(ValueError, match=f"held_out {count} leaves nothing of the 4 pairs"):
            split_pairs(chained, count)


def test_pairs_whose_clips_cannot_be_read_are_named() -> None:
    with pytest.raises(ValueError, match="clip 'clip4' of pair '3>4' cannot be read: it is torn"):
        PLACES.feed(feed(Latents(SHAPES, skipped=[4])))
    with pytest.raises(ValueError, match="the clips of pair '8>9' are read in different shapes"):
        PLACES.feed(feed(Latents([*SHAPES[:9], (5, 2, 2), *SHAPES[10:]])))
    with pytest.raises(ValueError, match="draws is how many of sigma and noise a pair has, not 0"):
        Places(PAIRS, 0)
    own = PLACES.feed(feed(Latents(SHAPES, broken=[4])))
    with pytest.raises(ValueError, match="clip '3>4' cannot be read: row 4 is torn"):
        batches(BATCH, 20, [own], selection(own=own))
