"""Steady paths that whole frames vote for, and how they are made exact."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from animatrix_data.procedural.oracles.evidence import Witness
from animatrix_data.procedural.oracles.refine import Refiner
from animatrix_data.procedural.oracles.registration import Tracker
from animatrix_data.procedural.oracles.steady import Steady
from animatrix_data.procedural.oracles.votes import voted

EDGE, FRAMES = 128, 17


def filmed(path: Steady) -> Witness:
    """A picture of random patches under a path."""
    noise = np.random.default_rng(0).integers(0, 255, (48, 48, 3), np.uint8)
    picture = cv2.resize(noise, (3 * EDGE, 3 * EDGE), interpolation=cv2.INTER_CUBIC)
    trail, frames = path.trail(FRAMES, EDGE), []
    for turn, shift in zip(trail.turn, trail.shift * EDGE, strict=True):
        off = (
            complex(EDGE - 1, EDGE - 1) / 2 + shift - turn * complex(3 * EDGE - 1, 3 * EDGE - 1) / 2
        )
        matrix = np.array([[turn.real, -turn.imag, off.real], [turn.imag, turn.real, off.imag]])
        frames.append(cv2.warpAffine(picture, matrix, (EDGE, EDGE), flags=cv2.INTER_LINEAR))
    return Witness(Tracker(np.stack(frames)))


PATHS = [
    Steady("slide", 0.4, -60 + 0j),
    Steady("slide", 1.0, 12 + 20j),
    Steady("growth", 0.7, 0.5 + 0j),
    Steady("growth", 1.0, -0.4 + 0j),
    Steady("roll", 1.0, 0.8j),
]


@pytest.mark.parametrize("path", PATHS)
def test_frames_vote_for_a_path(path: Steady) -> None:
    witness = filmed(path)
    trail = path.trail(FRAMES, EDGE)
    apart = [found.trail(FRAMES, EDGE).apart(trail) for found in voted(witness.fine, witness.spans)]
    assert min(apart) < 3


@pytest.mark.parametrize("path", PATHS)
def test_a_path_is_made_exact(path: Steady) -> None:
    witness = filmed(path)
    refiner = Refiner(witness.fine, [ends for span in witness.spans[-2:] for ends in span])
    off = 2 if path.kind == "slide" else 0.05 * path.extent / abs(path.extent)
    start, trail = replace(path, extent=path.extent + off), path.trail(FRAMES, EDGE)
    assert refiner.refined(start).trail(FRAMES, EDGE).apart(trail) < 0.8
    assert start.trail(FRAMES, EDGE).apart(trail) > 1.2


def test_what_is_fixed_to_the_frame_is_left_out() -> None:
    witness = filmed(Steady("slide", 1.0, 30 + 0j))
    strength = [np.abs(np.stack(which.fine)).mean() for which in (witness, witness.moving)]
    assert strength[1] > 0.7 * strength[0]
    still = filmed(Steady("slide", 1.0, 0j))
    assert np.abs(np.stack(still.moving.fine)).max() < 1e-3
