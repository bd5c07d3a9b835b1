"""What the examination says of the classical camera oracle."""

from dataclasses import replace

import numpy as np
import pytest

from animatrix_data.procedural import Size
from animatrix_data.taxonomy import parse_tags
from animatrix_jax.evaluation.examination import asked_and_read, camera_numbers, share_right
from animatrix_jax.evaluation.report import path_table
from animatrix_jax.evaluation.sources import Shown, draw_held_out


@pytest.fixture(scope="module")
def drawn() -> list[Shown]:
    return draw_held_out(6, Size(64, 64, 9, 8), 0, "pocket")


def test_paths_are_held_against_the_truth_of_drawn_clips(drawn: list[Shown]) -> None:
    numbers = camera_numbers(drawn)
    assert numbers["moving"] and numbers["moving"] + numbers["still"] <= len(drawn)
    median, high = numbers["error_median"], numbers["error_p95"]
    assert median is not None and high is not None and 0 < median <= high
    row = path_table(numbers).columns[2]
    assert f"{median:.1%}" in list(row.cells)


def test_what_shows_no_background_is_not_read(drawn: list[Shown]) -> None:
    noise = np.random.default_rng(0).integers(0, 255, drawn[0].frames.shape).astype(np.uint8)
    numbers = camera_numbers([replace(drawn[0], frames=noise)])
    assert (numbers["unread"], numbers["moving"], numbers["still"]) == (1, 0, 0)
    assert list(path_table(numbers).columns[1].cells) == ["0", "0", "1"]


def test_what_an_oracle_is_not_sure_of_is_neither_right_nor_wrong(drawn: list[Shown]) -> None:
    clips = [replace(drawn[0], spec=parse_tags(f"CameraMotion: {way}"))
             for way in ("pan left", "pan right", "tilt up", "tilt up")]  # fmt: skip
    readings = [{"CameraMotion": {text: 1.0}} if text else {}
                for text in ("Pan left", "Pan left", "", "Tilt up")]  # fmt: skip
    pairs = asked_and_read(clips, readings, [True, True, True, False], "CameraMotion")
    assert pairs == [
        (("Pan left",), "Pan left"),
        (("Pan right",), "Pan left"),
        (("Tilt up",), None),
    ]
    assert (share_right(pairs).hits, share_right(pairs).trials) == (1, 2)
    moves = asked_and_read(clips, readings, [True] * 4, "CameraMovement")
    assert [read for _, read in moves] == ["Pan", "Pan", None, "Tilt"]
    assert (share_right(moves).hits, share_right(moves).trials) == (3, 3)


def test_without_a_truth_there_is_nothing_to_say(drawn: list[Shown]) -> None:
    clip = Shown("own", drawn[0].frames, 8.0, drawn[0].spec)
    numbers = camera_numbers([clip])
    assert numbers["moving"] == numbers["still"] == 0
    assert numbers["error_median"] is None
    assert "–" in list(path_table(numbers).columns[3].cells)
