"""Buckets share an area and whole strides; clips go to the nearest that they fill, or are named."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from animatrix_data.pipeline.buckets import (
    ASPECTS,
    Bucket,
    assign_clips,
    fit_frames,
    make_buckets,
)


def test_the_target_size_is_wans():
    buckets = make_buckets(720, 65)
    assert buckets[0] == (65, 720, 1280) and buckets[-1] == (65, 1280, 720)
    assert buckets[2] == (65, 960, 960)
    assert make_buckets(64, 17, ["1:1"]) == (Bucket(17, 64, 64),)


@given(st.sampled_from([256, 360, 480, 720]), st.sampled_from([16, 32]))
def test_all_aspects_have_one_area_and_whole_strides(edge, stride):
    buckets = make_buckets(edge, (17, 33), stride=stride)
    assert len(buckets) == 2 * len(ASPECTS)
    for bucket in buckets:
        assert bucket.height % stride == bucket.width % stride == 0
        # Half a stride a side is what rounding may take or give.
        slack = stride / 2 * (1 / bucket.height + 1 / bucket.width) * 1.1
        assert abs(bucket.height * bucket.width / (edge * edge * 16 / 9) - 1) < slack


def place(shape, buckets, **options):
    """The place that a clip of a shape is given, beside one that fits the last bucket."""
    found = assign_clips(np.arange(2), [shape, buckets[-1]], buckets, **options)
    assert found.places[1] == len(buckets) - 1
    return int(found.places[0])


def test_a_clip_goes_to_the_nearest_aspect_and_the_most_frames_it_fills():
    buckets = make_buckets(256, (17, 33))
    for shape, wanted in (
        ((81, 1080, 1920), (33, 256, 448)),
        ((32, 1080, 1920), (17, 256, 448)),
        ((33, 1000, 1010), (33, 336, 336)),
        ((20, 1920, 800), (17, 448, 256)),
    ):
        assert buckets[place(shape, buckets)] == wanted
    assert place((16, 1080, 1920), buckets) == -1


def test_enlarging_is_refused_beyond_its_factor():
    buckets = make_buckets(720, 17)
    assert place((17, 600, 1067), buckets) == 0
    assert place((17, 480, 853), buckets) == -1
    assert place((17, 480, 853), buckets, upscale=2.0) == 0


def test_what_is_left_out_is_told_by_reason():
    sizes = [(33, 256, 448), (9, 256, 448), (33, 64, 64)]
    shapes = np.array([0, 1, 2, 0, 1, 1, 1])
    found = assign_clips(shapes, sizes, make_buckets(256, 17))
    assert found.places.tolist() == [0, -1, -1, 0, -1, -1, -1]
    left_out = {reason: rows.tolist() for reason, rows in found.left_out.items()}
    assert left_out == {
        "shorter than 17 frames": [1, 4, 5, 6],
        "smaller than 1/1.25 of its bucket": [2],
    }
    assert not assign_clips(np.zeros(2, int), sizes[:1], make_buckets(256, 17)).left_out
    with pytest.raises(ValueError, match="no clip fits any of the buckets 720x1280x65"):
        assign_clips(shapes, sizes, make_buckets(720, 65))


def test_frames_are_cropped_about_the_centre_and_resized():
    frames = np.zeros((9, 40, 100, 3), np.uint8)
    frames[:, :, 30:70] = np.arange(1, 10)[:, None, None, None]
    made = fit_frames(frames, Bucket(5, 16, 16))
    assert made.shape == (5, 16, 16, 3)
    # The square of the middle is all that is left, frame by frame.
    assert (made == np.arange(1, 6)[:, None, None, None]).all()
    same = frames[:, :, :40]
    assert (fit_frames(same, Bucket(9, 40, 40)) == same).all()
    with pytest.raises(ValueError, match="9 frames do not fill a bucket of 13"):
        fit_frames(frames, Bucket(13, 16, 16))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"frames": 16}, "4n\\+1 frames .* not 16"),
        ({"edge": 8}, "an edge of 8 px holds no stride of 16"),
        ({"aspects": ["wide"]}, "as in 16:9, not 'wide'"),
        ({"aspects": []}, "an aspect at least"),
    ],
)
def test_what_is_no_bucket_is_refused(wrong, message):
    with pytest.raises(ValueError, match=message):
        make_buckets(**({"edge": 256, "frames": 17} | wrong))
