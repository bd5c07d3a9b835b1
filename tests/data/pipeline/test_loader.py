"""Batches are a pure function of the sample index, with the asked shapes and shares."""

import itertools
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.stats import binomtest, chisquare

from animatrix_data.corpus.catalogue import Catalogue, ClipRow
from animatrix_data.corpus.latents import LatentCache, LatentMeta
from animatrix_data.pipeline.conditioning import Perturbation
from animatrix_data.pipeline.loader import (
    I2V,
    T2I,
    T2V,
    LoaderSettings,
    SampleMap,
    clip_directive,
    make_loader,
)
from animatrix_data.taxonomy import DIRECTIONS

CLIPS = 12
TEXT = (
    "<tag> MotionType: walk, MotionAmplitude: low, MotionSpeed: low, shot_type: CU, "
    "camera_motion: pan left, VFX: Rain\n<summary> Clip {}.\n<description> A girl walks."
)
Z = 3


class Source:
    """Latents that hold their row number; the reference its negative; blanks a half."""

    def __init__(self, buckets):
        ids = tuple(f"clip{n}" for n in reversed(range(len(buckets))))
        self.meta = SimpleNamespace(ids=ids, buckets=tuple(buckets))

    def read(self, row):
        latents = np.full((*self.meta.buckets[row], Z), row, np.float32)
        return latents, -latents

    def blank_for(self, bucket):
        return np.full((*bucket, Z), 0.5, np.float32)


def corpus(count: int = CLIPS) -> Catalogue:
    rows = [
        ClipRow(f"clip{n}", f"{n}.mp4", 17, 8.0, 8, 8, "0", directive=TEXT.format(n))
        for n in range(count)
    ]
    return Catalogue(Path("corpus"), tuple(rows))


ONE_SHAPE = Source([(5, 2, 2)] * CLIPS)
TWO_SHAPES = Source([(5, 2, 2)] * 8 + [(3, 2, 4)] * 4)


def tokenize(texts):
    return np.array([[len(text), sum(text.encode())] for text in texts], np.int32)


def batches(settings: LoaderSettings, count: int, source=ONE_SHAPE):
    loader = make_loader(corpus(), source, settings, tokenize)
    return list(itertools.islice(loader, count))


def by_sample(found) -> dict[int, list[np.ndarray]]:
    """Everything the loader says of each sample, by its index."""
    result = {}
    for batch in found:
        tags = batch["tags"]
        arrays = [value for key, value in batch.items() if key not in ("tags", "sample_index")]
        for place in np.ndindex(batch["mode"].shape):
            high, low = batch["sample_index"][place]
            leaves = [array[place] for array in (*arrays, *tags.values())]
            result[int(high) << 32 | int(low)] = leaves
    return result


def same(first, second) -> bool:
    return first.keys() == second.keys() and all(
        a.tobytes() == b.tobytes() and a.shape == b.shape
        for key in first
        for a, b in zip(first[key], second[key], strict=True)
    )


def test_shapes_and_types():
    for batch in batches(LoaderSettings(8), 20):
        t = batch["latents"].shape[2]
        assert t == (1 if batch["task"][0, 0] == T2I else 5)
        expected = {
            "latents": ((2, 4, t, 2, 2, Z), np.float32),
            "reference": ((2, 4, t, 2, 2, Z), np.float32),
            "reference_mask": ((2, 4, t, 4), np.float32),
            "text_ids": ((2, 4, 2), np.int32),
            "mode": ((2, 4), np.int32),
            "task": ((2, 4), np.int32),
            "sample_index": ((2, 4, 2), np.uint32),
        }
        assert {k: (v.shape, v.dtype) for k, v in batch.items() if k != "tags"} == expected
        tags = {k: (v.shape, v.dtype) for k, v in batch["tags"].items()}
        assert tags == {
            "values": ((2, 4, 24, 5), np.int32),
            "order": ((2, 4, 24), np.int32),
            "mask": ((2, 4, 24), bool),
        }


@pytest.mark.parametrize("source", [ONE_SHAPE, TWO_SHAPES])
def test_a_sample_does_not_depend_on_the_batch_size(source):
    wanted = by_sample(batches(LoaderSettings(64, seed=4), 4, source))
    assert len(wanted) == 256
    for size in (2, 16):
        found = by_sample(batches(LoaderSettings(size, seed=4), 256 // size, source))
        assert same(found, wanted)


def test_resuming_continues():
    wanted = batches(LoaderSettings(16, seed=1, threads=2), 8)
    found = batches(LoaderSettings(16, seed=1, start=64), 4)
    assert same(by_sample(found), by_sample(wanted[4:]))
    far = batches(LoaderSettings(16, start=2**36), 1)[0]
    assert far["sample_index"][1, 0].tolist() == [16, 1]


def test_processes_share_a_batch_in_order():
    whole = batches(LoaderSettings(16, seed=2), 3)
    parts = [batches(LoaderSettings(16, seed=2, process=p, processes=2), 3) for p in range(2)]
    for one, *shares in zip(whole, *parts, strict=True):
        joined = np.concatenate([share["latents"] for share in shares], axis=1)
        assert (joined == one["latents"]).all()


def test_sample_i_goes_to_expert_i_mod_2():
    first = batches(LoaderSettings(8), 1)[0]["sample_index"][..., 1]
    assert first.tolist() == [[0, 2, 4, 6], [1, 3, 5, 7]]


def test_another_seed_is_another_order():
    one, other = (by_sample(batches(LoaderSettings(64, seed=s), 1)) for s in (0, 1))
    assert not same(one, other)


def test_tasks_have_their_references_masks_and_tags():
    seen = set()
    for batch in batches(LoaderSettings(16, perturbation=Perturbation(p_drop=0.0)), 16):
        tasks = batch["task"]
        assert (tasks == T2I).all() or not (tasks == T2I).any()
        for place in np.ndindex(tasks.shape):
            latents, reference = batch["latents"][place], batch["reference"][place]
            mask, kept = batch["reference_mask"][place], batch["tags"]["mask"][place][:6]
            task = int(tasks[place])
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
    settings = LoaderSettings(64, task_ratio=(0.5, 0.3, 0.2), seed=7)
    samples = SampleMap(corpus(), ONE_SHAPE.meta, settings)
    blocks = [samples.block(64 * block)[0] for block in range(1000)]
    assert binomtest(sum(blocks), 1000, 0.5).pvalue > 1e-4
    drawn = [samples(i) for i in range(3000)]
    video = [sample.task for sample in drawn if sample.task != T2I]
    assert binomtest(video.count(T2V), len(video), 0.6).pvalue > 1e-4
    counts = np.bincount([sample.row for sample in drawn], minlength=CLIPS)
    assert chisquare(counts).pvalue > 1e-4


def test_weights_and_shapes_are_drawn_in_proportion():
    weights = np.arange(CLIPS, dtype=float)
    settings = LoaderSettings(64, seed=3)
    samples = SampleMap(corpus(), TWO_SHAPES.meta, settings, weights)
    rows = np.array([samples(64 * block).row for block in range(2000)])
    counts = np.bincount(rows, minlength=CLIPS)
    # The source numbers its rows backwards: clip n is row 11 − n.
    expected = weights[::-1] / weights.sum() * len(rows)
    assert counts[11] == 0
    assert chisquare(counts[:11], expected[:11]).pvalue > 1e-4


def test_the_video_only_and_image_only_ratios():
    for ratio, task in (((1, 0, 0), T2I), ((0, 1, 0), T2V), ((0, 0, 1), I2V)):
        found = batches(LoaderSettings(16, task_ratio=ratio), 6)
        assert all((batch["task"] == task).all() for batch in found)


def test_frames_in_place_of_latents():
    class Frames:
        meta = SimpleNamespace(ids=ONE_SHAPE.meta.ids, buckets=((17, 8, 8),) * CLIPS)

        def frames(self, row):
            return np.full((17, 8, 8, 3), row, np.uint8)

    batch = batches(LoaderSettings(8, task_ratio=(0, 0, 1)), 1, Frames())[0]
    assert batch["frames"].shape == (2, 4, 17, 8, 8, 3) and batch["frames"].dtype == np.uint8
    assert batch["reference_mask"].shape == (2, 4, 5, 4)
    assert "latents" not in batch


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"batch_size": 12}, "does not divide a block of 64 .* use one of 2, 4, 8, 16, 32, 64"),
        ({"batch_size": 128}, "does not divide"),
        ({"batch_size": 1}, "does not divide"),
        ({"batch_size": 8, "start": 4}, "not at a batch's beginning"),
        ({"batch_size": 8, "processes": 3}, "multiple of 6"),
        ({"batch_size": 8, "processes": 2, "process": 2}, "no process 2"),
        ({"batch_size": 8, "task_ratio": (0, 0, 0)}, "no proportion"),
    ],
)
def test_wrong_settings_are_refused(wrong, message):
    with pytest.raises(ValueError, match=message):
        LoaderSettings(**wrong)


def test_wrong_corpora_are_refused():
    settings = LoaderSettings(8)
    with pytest.raises(ValueError, match="holds no clips"):
        SampleMap(corpus(0), ONE_SHAPE.meta, settings)
    with pytest.raises(ValueError, match="'clip12' of corpus has not been encoded"):
        SampleMap(corpus(CLIPS + 1), ONE_SHAPE.meta, settings)
    with pytest.raises(ValueError, match="weights must be 12"):
        SampleMap(corpus(), ONE_SHAPE.meta, settings, np.zeros(CLIPS))
    broken = ClipRow("c", "c.mp4", 17, 8.0, 8, 8, "0", directive="<tag> VFX: Rane")
    with pytest.raises(ValueError, match="clip 'c': VFX has no value 'Rane'"):
        clip_directive(broken)


def test_a_clip_with_tags_alone_has_no_prose():
    clip = ClipRow("c", "c.mp4", 17, 8.0, 8, 8, "0", tags="VFX: Rain")
    directive = clip_directive(clip)
    assert str(directive.spec) == "VFX: Rain" and directive.text == ""


def test_the_latent_cache_is_a_source(tmp_path: Path):
    ids = tuple(f"clip{n}" for n in range(4))
    meta = LatentMeta("vae", "corpus", ids, ((5, 2, 2),) * 4, Z)
    cache = LatentCache.create(tmp_path / "cache", meta)
    values = np.arange(4, dtype=np.float32)[:, None, None, None, None] * np.ones((1, 5, 2, 2, Z))
    cache.write(range(4), values, -values)
    cache.write_blank((5, 2, 2), np.full((5, 2, 2, Z), 0.5))
    settings = LoaderSettings(8, task_ratio=(0, 0, 1), threads=2)
    batch = next(make_loader(corpus(4), LatentCache.open(tmp_path / "cache"), settings, tokenize))
    assert batch["latents"].shape == (2, 4, 5, 2, 2, Z)
    assert batch["latents"].dtype == np.float32
    assert (batch["reference"] == -batch["latents"]).all()
