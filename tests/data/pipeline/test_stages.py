"""Sub-stages become phases: their own sources, and a ratio that moves along the list."""

import pickle
from pathlib import Path

import numpy as np
import pytest

from animatrix_data.corpus.catalogue import ClipRow
from animatrix_data.corpus.clip_files import ClipFiles
from animatrix_data.corpus.video import encode_video
from animatrix_data.files import digest_file
from animatrix_data.pipeline.sources import DecodedFrames
from animatrix_data.pipeline.stages import (
    FIRST_RATIO,
    LAST_RATIO,
    SubStage,
    feed_sources,
    make_phases,
)
from tests.data.pipeline.fakes import Latents, feed


def test_the_ratio_moves_along_the_sub_stages():
    stages = [
        SubStage(64, 256, 17),
        SubStage(128, 480, 33),
        SubStage(64, 640, 49, ratio=(1, 1, 1)),
        SubStage(None, 720, 65),
    ]
    feeds = [feed(Latents([(5, 2, 2)] * 4), str(stage.edge)) for stage in stages]
    sources = feed_sources(feeds, [np.ones(4)] * 4, [None] * 4)
    drawn = [(source,) for source in sources]
    phases = make_phases(stages, drawn, FIRST_RATIO, LAST_RATIO)
    assert [phase.samples for phase in phases] == [64, 128, 64, None]
    assert [phase.sources[0].name for phase in phases] == ["256", "480", "640", "720"]
    assert phases[0].ratio == pytest.approx((0.5, 0.3, 0.2))
    assert phases[1].ratio == pytest.approx((0.4, 1 / 3, 0.8 / 3))
    assert phases[2].ratio == (1, 1, 1)
    assert phases[3].ratio == pytest.approx((0.2, 0.4, 0.4))
    with pytest.raises(ValueError, match="4 sub-stages cannot draw from 3 sources"):
        make_phases(stages, drawn[:3], FIRST_RATIO, LAST_RATIO)


def test_sources_number_shapes_alike_and_leave_out_what_is_not_there():
    one = feed(Latents([(5, 2, 2), (3, 2, 4), None, (5, 2, 2)], skipped=[3]), "one")
    two = feed(Latents([(3, 2, 4), (1, 2, 2)]), "two")
    stills = feed(Latents([(1, 2, 2)] * 2), "stills")
    found = feed_sources([one, two, stills], [np.ones(4), np.ones(2), np.ones(2)], [None] * 3)
    assert [source.shapes.tolist() for source in found] == [[0, 1, -1, -1], [1, 2], [2, 2]]
    assert [source.stills for source in found] == [False, False, True]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"samples": 0}, "a sub-stage needs samples"),
        ({"edge": 0}, "an edge in pixels, not 0"),
        ({"frames": 16}, "4n\\+1 frames .* not 16"),
    ],
)
def test_what_is_no_sub_stage_is_refused(wrong, message):
    with pytest.raises(ValueError, match=message):
        SubStage(**({"samples": None, "edge": 256, "frames": 17} | wrong))


def test_frames_are_decoded_and_fitted_as_they_are_asked_for(tmp_path: Path):
    frames = np.zeros((9, 32, 48, 3), np.uint8)
    frames[:, :, 8:40] = 20 * np.arange(9, dtype=np.uint8)[:, None, None, None]
    encode_video(tmp_path / "clips" / "a.mp4", frames, 8.0, crf=0)
    (tmp_path / "clips" / "torn.mp4").write_bytes(b"no video")
    digest = digest_file(tmp_path / "clips" / "a.mp4")
    rows = [
        ClipRow(name, f"clips/{name}.mp4", 9, 8.0, 32, 48, digest) for name in ("a", "torn", "gone")
    ]
    reader = DecodedFrames(ClipFiles.of(tmp_path, rows), [(9, 16, 16), (13, 16, 16), None])
    made = reader.frames(0, 5)
    assert made.shape == (5, 16, 16, 3)
    assert np.abs(made.mean((1, 2, 3)) - 20 * np.arange(5)).max() < 4
    with pytest.raises(ValueError, match="is not a video"):
        reader.frames(1, 5)
    short = DecodedFrames(ClipFiles.of(tmp_path, rows[:1]), [(13, 32, 48)])
    with pytest.raises(ValueError, match="has 9 frames, and 13 are needed"):
        short.frames(0, 13)
    # What another clip was put in the place of is no longer the catalogue's.
    encode_video(tmp_path / "clips" / "a.mp4", frames[:, ::2, ::2], 8.0)
    with pytest.raises(ValueError, match=r"has 5 frames of 16x24, and .* of 32x48"):
        reader.frames(0, 5)
    encode_video(tmp_path / "clips" / "a.mp4", 255 - frames, 8.0, crf=0)
    with pytest.raises(ValueError, match=r"other bytes than its catalogue says"):
        pickle.loads(pickle.dumps(reader)).frames(0, 5)
