"""The pairs verb: from drawn candidates to pairs on disk, and what it says of the others."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from animatrix_data.corpus.catalogue import Catalogue, read_catalogue, write_catalogue
from animatrix_data.corpus.clip_files import ClipFiles
from animatrix_data.corpus.pairs import PAIRS_NAME, read_pairs
from animatrix_jax import cli
from animatrix_jax.jobs import draw, pairs

SIZE = "32x32x17@8"
ASKED = {"size": SIZE, "seed": 20, "processes": 1, "sampler": "pocket"}


@pytest.fixture(scope="module")
def candidates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a corpus of four prompts with three candidates each."""
    folder = tmp_path_factory.mktemp("pairs") / "candidates"
    draw.run(folder, clips=4, candidates=3, **ASKED)
    return folder


def test_candidates_are_one_clip_sound_and_broken(candidates: Path, tmp_path: Path) -> None:
    catalogue, alone = read_catalogue(candidates), draw.run(tmp_path / "one", clips=4, **ASKED)
    files = ClipFiles.read(candidates)
    assert [row.id for row in catalogue][:4] == [
        "drawn-00000020-0", "drawn-00000020-1", "drawn-00000020-2", "drawn-00000021-0",
    ]  # fmt: skip
    for first in range(0, 12, 3):
        own = catalogue.rows[first : first + 3]
        faults = [json.loads(row.truth)["faults"] for row in own]
        assert len({row.directive for row in own}) == 1 and len({row.seed for row in own}) == 1
        assert [len(fault) for fault in faults] == [0, 1, 1]
        assert faults[1][0]["kind"] != faults[2][0]["kind"]
        # What is sound is what a single clip of the seed is, byte for byte.
        assert own[0].digest == alone[first // 3].digest and own[1].digest != own[0].digest
        starts = [fault[0]["start"] for fault in faults[1:]]
        begun = [files.frames(first + k, 1).astype(float) for k in range(3)]
        assert min(starts) > 0 and all(np.abs(one - begun[0]).mean() < 2 for one in begun[1:])
    assert "candidates" not in json.loads((tmp_path / "one" / "draw.json").read_text())
    again = draw.run(tmp_path / "again", clips=4, candidates=3, **ASKED)
    assert again.digest == catalogue.digest
    (tmp_path / "again" / catalogue[4].path).write_bytes(b"cut short")
    assert draw.run(tmp_path / "again", clips=4, candidates=3, **ASKED).digest == catalogue.digest


def test_pairs_are_written_told_and_read(
    candidates: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    label = tmp_path / "unsure.csv"
    line = ["pairs", str(candidates), "--reject", "none", "--to_label", str(label)]
    assert cli.main(line) == 0
    told = capsys.readouterr().out
    found = read_pairs(candidates)
    assert told.startswith(f"{len(found)} pairs of 12 candidates of 4 prompts: {len(found)} I2V")
    assert "small gap: " in told and "rated alike" in told
    ratings = {row.id: sum(json.loads(row.truth)[name] for name in pairs.RATINGS) / 4
               for row in read_catalogue(candidates)}  # fmt: skip
    for row in found.rows:
        assert row.winner.rsplit("-", 1)[0] == row.loser.rsplit("-", 1)[0]
        assert row.margin == pytest.approx(ratings[row.winner] - ratings[row.loser])
        assert row.source == "truth"
    with label.open(newline="") as stream:
        unsure = list(csv.DictReader(stream))
    assert all(abs(float(r["reward_a"]) - float(r["reward_b"])) < 0.5 for r in unsure)
    first = (candidates / PAIRS_NAME).read_bytes()
    assert cli.main(line) == 0 and (candidates / PAIRS_NAME).read_bytes() == first


def test_clips_that_begin_otherwise_are_for_t2v(candidates: Path, tmp_path: Path) -> None:
    rows = read_catalogue(candidates).rows
    # Two seeds under one directive: the same prompt, another picture.
    moved = [replace(row, path=str(candidates / row.path)) for row in (rows[0], rows[4])]
    write_catalogue(tmp_path, [moved[0], replace(moved[1], directive=rows[0].directive)])
    (found,) = pairs.run(tmp_path, reject="none")
    assert (found.winner, found.loser, found.task) == (rows[0].id, rows[4].id, "T2V")


def corpus_of(folder: Path, rows: list) -> Catalogue:
    return write_catalogue(folder, rows)


def test_what_gives_no_pairs_says_why(candidates: Path, tmp_path: Path) -> None:
    rows = read_catalogue(candidates).rows
    for chosen, sentence in (
        ([replace(rows[0], truth=None)], "no clip of .* is rated: its truth would have r_face"),
        ([rows[0], rows[3]], r"no prompt of .* has two rated clips: `animatrix draw --candidates"),
        ([rows[0], replace(rows[0], id="twin")], "gives no pair: no two clips of a prompt"),
        ([replace(rows[0], truth='{"r_face": 9}')], "clip 'drawn-00000020-0' has a truth whose"),
    ):
        corpus_of(tmp_path, chosen)
        with pytest.raises(ValueError, match=sentence):
            pairs.run(tmp_path)
    assert not (tmp_path / PAIRS_NAME).exists()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--reject", "losers"], "--reject takes one of both, winner, none, not 'losers'"),
        (["--threshold", "7"], "threshold is a rating from 1 to 5, not 7"),
        (["--weights", "1,0"], "weights are 4 numbers, of r_face, r_limb, r_line, r_motion, not 2"),
        (["--weights", "1,a,b,c"], "weights are numbers with commas between, not '1,a,b,c'"),
    ],
)
def test_nonsense_gets_one_sentence_and_status_2(
    candidates: Path, capsys: pytest.CaptureFixture[str], words: list[str], sentence: str
) -> None:
    assert cli.main(["pairs", str(candidates), *words]) == 2
    assert capsys.readouterr().err == f"animatrix pairs: {sentence}\n"


def test_candidates_that_cannot_be_are_refused(tmp_path: Path) -> None:
    for change, sentence in (
        ({"candidates": 0}, "candidates must be 1 or more, not 0"),
        ({"candidates": 2, "faults": "limb:0.5"}, "leave out --faults"),
    ):
        with pytest.raises(ValueError, match=sentence):
            draw.run(tmp_path / "c", clips=1, **ASKED, **change)
