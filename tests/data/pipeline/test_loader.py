"""Batches are a pure function of the sample index: the same on every machine, after any stop."""

import hashlib
import itertools
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest, chisquare

from animatrix_data.corpus.catalogue import ClipRow
from animatrix_data.corpus.latents import LatentCache, LatentMeta
from animatrix_data.pipeline.collate import BadClips
from animatrix_data.pipeline.conditioning import Perturbation
from animatrix_data.pipeline.loader import LoaderSettings, make_loader
from animatrix_data.pipeline.sources import ClipTexts, Feed
from animatrix_data.pipeline.stages import feed_sources
from animatrix_data.sampling.selection import I2V, T2I, T2V, Phase, Selection
from animatrix_data.taxonomy import DIRECTIONS
from tests.data.pipeline.fakes import (
    CLIPS,
    TOKENS,
    WIDTH,
    Frames,
    Latents,
    Z,
    batches,
    corpus,
    feed,
    flatten,
    select,
    tokenize,
)

ONE_SHAPE = [feed(Latents([(5, 2, 2)] * CLIPS))]
TWO_SHAPES = [feed(Latents([(5, 2, 2)] * 8 + [(3, 2, 4)] * 4))]
MIXED = [
    *TWO_SHAPES,
    feed(Latents([(5, 2, 2)] * 6), "other"),
    feed(Latents([(1, 2, 2)] * 5), "stills"),
]


def digest(found) -> list[str]:
    """Return a hash of every batch: its keys, types, shapes and bytes."""
    hashes = []
    for batch in found:
        whole = hashlib.sha256()
        for name, array in sorted(flatten(batch).items()):
            whole.update(f"{name} {array.dtype} {array.shape}".encode() + array.tobytes())
        hashes.append(whole.hexdigest())
    return hashes


def joined(parts) -> list[dict[str, np.ndarray]]:
    """Return the batches of all processes put together along the batch dim."""
    return [
        {
            name: np.concatenate([flatten(part)[name] for part in step], axis=1)
            for name in flatten(step[0])
        }
        | {"tags": {}}
        for step in zip(*parts, strict=True)
    ]


def by_sample(found) -> dict[int, list[np.ndarray]]:
    """Everything that batches say of each sample, by its index."""
    result = {}
    for batch in found:
        arrays = flatten(batch)
        index = arrays.pop("sample_index")
        for place in np.ndindex(batch["mode"].shape):
            high, low = index[place]
            result[int(high) << 32 | int(low)] = [array[place] for array in arrays.values()]
    return result


def same(first, second) -> bool:
    return first.keys() == second.keys() and all(
        a.tobytes() == b.tobytes() and a.shape == b.shape
        for key in first
        for a, b in zip(first[key], second[key], strict=True)
    )


def test_shapes_and_types():
    for batch in batches(LoaderSettings(8), 20, ONE_SHAPE):
        t = batch["latents"].shape[2]
        assert t == (1 if batch["task"][0, 0] == T2I else 5)
        assert {k: (v.shape, v.dtype) for k, v in flatten(batch).items()} == {
            "latents": ((2, 4, t, 2, 2, Z), np.float16),
            "reference": ((2, 4, t, 2, 2, Z), np.float16),
            "reference_mask": ((2, 4, t, 4), np.float32),
            "text_ids": ((2, 4, 2), np.int32),
            "mode": ((2, 4), np.int32),
            "task": ((2, 4), np.int32),
            "sample_index": ((2, 4, 2), np.uint32),
            "tags/values": ((2, 4, 24, 5), np.int32),
            "tags/order": ((2, 4, 24), np.int32),
            "tags/mask": ((2, 4, 24), bool),
        }


def test_a_step_has_one_shape_and_all_shapes_come():
    shapes = set()
    for batch in batches(LoaderSettings(16, seed=1), 200, MIXED):
        shape = batch["latents"].shape[2:5]
        shapes.add(shape)
        images = (batch["task"] == T2I).all()
        assert images or not (batch["task"] == T2I).any()
        assert (shape[0] == 1) == images
    assert shapes == {(1, 2, 2), (1, 2, 4), (5, 2, 2), (3, 2, 4)}


@pytest.mark.parametrize("feeds", [ONE_SHAPE, MIXED], ids=["one", "mixed"])
def test_a_sample_does_not_depend_on_the_batch_size(feeds):
    wanted = by_sample(batches(LoaderSettings(64, seed=4), 4, feeds))
    assert len(wanted) == 256
    for size in (2, 16):
        assert same(by_sample(batches(LoaderSettings(size, seed=4), 256 // size, feeds)), wanted)


def share(process: int, processes: int, size: int = 16) -> tuple[int, ...]:
    """Return the places of a process that reads its share of both experts' samples."""
    return tuple(range(size * process // processes, size * (process + 1) // processes))


@pytest.mark.parametrize("processes", [2, 4, 8])
def test_the_parts_of_all_processes_make_the_batch(processes):
    whole = batches(LoaderSettings(16, seed=2), 20, MIXED)
    parts = [
        batches(LoaderSettings(16, seed=2, places=share(p, processes)), 20, MIXED)
        for p in range(processes)
    ]
    assert digest(joined(parts)) == digest(joined([whole]))


def test_a_process_may_read_for_one_expert():
    whole = batches(LoaderSettings(16, seed=2), 20, MIXED)
    for expert in (0, 1):
        places = tuple(range(expert, 16, 2))
        own = batches(LoaderSettings(16, seed=2, places=places), 20, MIXED)
        for batch, part in zip(joined([whole]), joined([own]), strict=True):
            for name in part.keys() - {"tags"}:
                array = part[name]
                np.testing.assert_array_equal(array, batch[name][expert : expert + 1], name)


def test_a_process_reads_only_its_share():
    read = []

    class Counted(Latents):
        def read_latents(self, row):
            read.append(row)
            return super().read_latents(row)

    feeds = [feed(Counted([(5, 2, 2)] * CLIPS))]
    options = {"prefetch": 0, "places": share(1, 4)}
    batches(LoaderSettings(16, **options), 3, feeds, ratio=(0, 1, 0))
    assert len(read) == 3 * 4


def test_worker_processes_change_nothing():
    wanted = digest(batches(LoaderSettings(16, seed=3), 7, MIXED))
    for workers in (1, 2):
        found = batches(LoaderSettings(16, seed=3, workers=workers, prefetch=1), 7, MIXED)
        assert digest(found) == wanted, workers


@settings(max_examples=12)
@given(st.integers(0, 30), st.sampled_from([0, 1, 3]))
def test_a_stopped_run_goes_on_with_the_same_batches(stop, threads):
    wanted = digest(batches(LoaderSettings(16, seed=5), 34, MIXED))
    resumed = LoaderSettings(16, seed=5, start=16 * stop, threads=threads)
    assert digest(batches(resumed, 4, MIXED)) == wanted[stop : stop + 4]


def test_a_sample_far_along_is_found_at_once():
    far = batches(LoaderSettings(16, start=2**36), 1, ONE_SHAPE)[0]
    assert far["sample_index"][1, 0].tolist() == [16, 1]


def test_sample_i_goes_to_expert_i_mod_2():
    first = batches(LoaderSettings(8), 1, ONE_SHAPE)[0]["sample_index"][..., 1]
    assert first.tolist() == [[0, 2, 4, 6], [1, 3, 5, 7]]


def test_another_seed_is_another_order():
    one, other = (by_sample(batches(LoaderSettings(64, seed=s), 1, ONE_SHAPE)) for s in (0, 1))
    assert not same(one, other)


def test_tasks_have_their_references_masks_and_tags():
    seen = set()
    rates = LoaderSettings(16, perturbation=Perturbation(p_drop=0.0))
    for batch in batches(rates, 16, ONE_SHAPE):
        for place in np.ndindex(batch["task"].shape):
            latents, reference = batch["latents"][place], batch["reference"][place]
            mask, kept = batch["reference_mask"][place], batch["tags"]["mask"][place][:6]
            task = int(batch["task"][place])
            seen.add(task)
            if task == I2V:
                assert (reference == -latents).all()
                assert mask[0].tolist() == [1] * 4 and not mask[1:].any()
            else:
                assert (reference == 0.5).all() and not mask.any()
            # Amplitude, speed and camera say nothing of one frame.
            assert kept.tolist() == [True, task != T2I, task != T2I, True, task != T2I, True]
            assert batch["tags"]["values"][place][4, 2] == DIRECTIONS["left"]
    assert seen == {T2I, T2V, I2V}


def test_shares_of_tasks_and_clips():
    selection = select(ONE_SHAPE, 7, (0.5, 0.3, 0.2))
    found = batches(LoaderSettings(64, seed=7), 60, ONE_SHAPE, selection)
    tasks = np.concatenate([batch["task"].ravel() for batch in found])
    video = tasks[tasks != T2I]
    assert binomtest(int((video == T2V).sum()), len(video), 0.6).pvalue > 1e-4
    rows = np.concatenate([batch["latents"][..., 0, 0, 0, 0].ravel() for batch in found])
    assert chisquare(np.bincount(rows.astype(int), minlength=CLIPS)).pvalue > 1e-4


def test_the_video_only_and_image_only_ratios():
    for ratio, task in (((1, 0, 0), T2I), ((0, 1, 0), T2V), ((0, 0, 1), I2V)):
        found = batches(LoaderSettings(16), 6, ONE_SHAPE, ratio=ratio)
        assert all((batch["task"] == task).all() for batch in found)


def test_frames_in_place_of_latents():
    found = batches(LoaderSettings(8), 20, [feed(Frames())])
    counts = {(batch["frames"].shape[2], batch["reference_mask"].shape[2]) for batch in found}
    assert counts == {(1, 1), (17, 5)}
    assert found[0]["frames"].dtype == np.uint8
    assert not {"latents", "reference"} & set(found[0])


def test_a_model_without_references_reads_none():
    for feeds in (ONE_SHAPE, [feed(Frames())]):
        batch = batches(LoaderSettings(8, references=False), 1, feeds, ratio=(0, 0, 1))[0]
        assert not {"reference", "reference_mask"} & set(batch)


def test_cached_text_states_are_those_of_the_drawn_wording():
    feeds = [feed(Latents([(5, 2, 2)] * CLIPS), wordings=4)]
    selection = select(feeds)
    loader = make_loader(selection, feeds, LoaderSettings(32), None, TOKENS)
    for batch in itertools.islice(loader, 6):
        assert "text_ids" not in batch and batch["text"].shape == (2, 16, TOKENS, WIDTH)
        for place in np.ndindex(2, 16):
            row, wording = divmod(int(batch["text"][place][0, 0]), 10)
            assert row == batch["latents"][place].flat[0]
            # A wording has one token more than the one before; the rest is zero.
            assert (batch["text"][place][: wording + 1] == 10 * row + wording).all()
            assert not batch["text"][place][wording + 1 :].any()
    with pytest.raises(ValueError, match="corpus keeps no text states: they must be made live"):
        make_loader(select(ONE_SHAPE), ONE_SHAPE, LoaderSettings(8))


def test_prompts_grow_with_progress_and_difficulty():
    def tags(difficulty, start):
        feeds = [feed(Latents([(5, 2, 2)] * CLIPS), difficulty=np.full(CLIPS, difficulty))]
        selection = select(feeds, ratio=(0, 1, 0), samples=64 * 100)
        rates = Perturbation(1.0, 0.0, 0.0, 0.0, p_drop=0.0)
        options = LoaderSettings(64, start=start, perturbation=rates)
        found = batches(options, 8, feeds, selection)
        return np.mean([batch["tags"]["mask"].sum(-1).mean() for batch in found])

    # A clip has six tags; 4 are kept at the easiest, up to 8 at the hardest.
    assert tags(0.0, 0) == pytest.approx(4, abs=0.2)
    assert tags(1.0, 64 * 100) == 6
    assert tags(0.0, 0) < tags(0.5, 0) < tags(0.5, 64 * 50)


def test_clips_that_cannot_be_read_give_way_to_others_and_are_named():
    feeds, bad = [feed(Latents([(5, 2, 2)] * 8 + [(3, 2, 4)] * 4, broken=[2, 9]))], BadClips()
    whole = batches(LoaderSettings(16, seed=6), 40, TWO_SHAPES)
    found = batches(LoaderSettings(16, seed=6), 40, feeds, bad=bad)
    redrawn = 0
    for batch, before in zip(found, whole, strict=True):
        rows = batch["latents"][..., 0, 0, 0, 0]
        wanted = before["latents"][..., 0, 0, 0, 0]
        assert not np.isin(rows, [2, 9]).any()
        kept = ~np.isin(wanted, [2, 9])
        redrawn += (~kept).sum()
        # The others stay, in the same shapes, and so do tasks and modes.
        assert (rows[kept] == wanted[kept]).all()
        assert batch["latents"].shape == before["latents"].shape
        for name in ("task", "mode", "sample_index", "reference_mask"):
            assert (batch[name] == before[name]).all()
    lines = bad.lines()
    assert lines[0].startswith("2 clips could not be read: ") and redrawn > 10
    assert lines[1].startswith("  clip2: row 2 is torn (drawn ")
    assert lines[2].startswith("  clip9: row 9 is torn (drawn ")
    again = LoaderSettings(16, seed=6, start=16 * 7, places=share(1, 2))
    part = batches(again, 3, feeds)
    for step, batch in enumerate(part, start=7):
        assert (batch["latents"] == found[step]["latents"][:, 4:]).all()


def test_a_bad_clip_stops_the_run_where_it_is_asked_to():
    feeds = [feed(Latents([(5, 2, 2)] * CLIPS, broken=range(CLIPS)))]
    with pytest.raises(ValueError, match=r"clip 'clip\d+' cannot be read: row \d+ is torn"):
        batches(LoaderSettings(16, on_bad="raise"), 1, feeds)
    with pytest.raises(ValueError, match="none of 32 clips drawn for sample 0 from corpus"):
        batches(LoaderSettings(16), 1, feeds)


def test_skipped_clips_are_never_drawn():
    feeds, bad = [feed(Latents([(5, 2, 2)] * CLIPS, broken=[4], skipped=[4]))], BadClips()
    found = batches(LoaderSettings(64), 20, feeds, bad=bad)
    rows = np.concatenate([batch["latents"][..., 0, 0, 0, 0].ravel() for batch in found])
    assert set(rows) == set(range(CLIPS)) - {4} and not bad.lines()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"batch_size": 12}, "does not divide a block of 64 .* use one of 2, 4, 8, 16, 32, 64"),
        ({"batch_size": 128}, "does not divide"),
        ({"batch_size": 1}, "does not divide"),
        ({"batch_size": 8, "start": 4}, "not at a batch's beginning"),
        ({"batch_size": 8, "places": (0, 8)}, "a batch of 8 samples has no place 8"),
        ({"batch_size": 8, "workers": -1}, "counts, 0 or more"),
        ({"batch_size": 8, "on_bad": "replace"}, "on_bad is skip or raise, not 'replace'"),
    ],
)
def test_wrong_settings_are_refused(wrong, message):
    with pytest.raises(ValueError, match=message):
        LoaderSettings(**wrong)


def test_what_does_not_belong_together_is_refused():
    reader = Latents([(5, 2, 2)] * CLIPS)
    with pytest.raises(ValueError, match="corpus has 13 clips, and what reads them 12"):
        Feed("corpus", ClipTexts.of(corpus(CLIPS + 1)), reader)
    rows = [*corpus(CLIPS - 1), ClipRow("late", "late.mp4", 17, 8.0, 8, 8, "0")]
    with pytest.raises(ValueError, match="clip 'late' of corpus has not been encoded"):
        Feed("corpus", ClipTexts.of(rows), reader)
    with pytest.raises(ValueError, match="are fed"):
        make_loader(select(MIXED), ONE_SHAPE, LoaderSettings(8), tokenize)


def test_a_clips_words_are_its_directive_or_its_tags():
    broken = ClipRow("c", "c.mp4", 17, 8.0, 8, 8, "0", directive="<tag> VFX: Rane")
    with pytest.raises(ValueError, match="clip 'c': VFX has no value 'Rane'"):
        ClipTexts.of([broken])(0)
    bare = ClipTexts.of([ClipRow("c", "c.mp4", 17, 8.0, 8, 8, "0", tags="VFX: Rain")])(0)
    assert str(bare.spec) == "VFX: Rain" and bare.text == ""


def test_the_latent_cache_is_a_source(tmp_path: Path):
    ids = tuple(f"clip{n}" for n in range(4))
    meta = LatentMeta("vae", "corpus", ids, ((5, 2, 2),) * 4, Z)
    cache = LatentCache.create(tmp_path / "cache", meta)
    values = np.arange(4, dtype=np.float32)[:, None, None, None, None] * np.ones((1, 5, 2, 2, Z))
    cache.write(range(4), values, -values)
    cache.write_blank((5, 2, 2), np.full((5, 2, 2, Z), 0.5))
    feeds = [Feed("corpus", ClipTexts.of(corpus(4)), LatentCache.open(tmp_path / "cache"))]
    batch = batches(LoaderSettings(8, threads=2), 1, feeds, ratio=(0, 0, 1))[0]
    assert batch["latents"].shape == (2, 4, 5, 2, 2, Z)
    assert batch["latents"].dtype == np.float16
    assert (batch["reference"] == -batch["latents"]).all()


def test_sources_follow_the_phases():
    feeds = [feed(Latents([(5, 2, 2)] * 4), "low"), feed(Latents([(3, 4, 4)] * 4), "high")]
    low, high = feed_sources(feeds, [np.ones(4)] * 2, [None] * 2)
    phases = [Phase(128, (0, 1, 0), (low,)), Phase(None, (0, 0, 1), (high,))]
    found = batches(LoaderSettings(64), 6, feeds, Selection(phases, 0))
    assert [batch["latents"].shape[2:5] for batch in found] == [(5, 2, 2)] * 2 + [(3, 4, 4)] * 4
    assert [int(batch["task"].flat[0]) for batch in found] == [T2V] * 2 + [I2V] * 4
