"""`animatrix balance`: the report on the terminal and in files; one sentence for a mistake."""

import json
import re
from pathlib import Path

import pytest

from animatrix_data.corpus.catalogue import ClipRow, write_catalogue
from animatrix_jax import cli

TAGS = (
    "VideoStyle: Shinkai Style, MotionType: walk, camera_motion: static",
    "VideoStyle: Miyazaki Style, MotionType: cast, camera_motion: dolly zoom in, VFX: Rain",
)


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    folder = tmp_path / "corpus"
    folder.mkdir()
    rows = [
        ClipRow(f"clip-{i}", "", 17, 8.0, 64, 64, "", tags=TAGS[i % 10 == 0], tier="AB"[i % 2],
                content="town" if i % 5 else "school")
        for i in range(40)
    ]  # fmt: skip
    write_catalogue(folder, rows)
    return folder


def test_the_report_is_printed_and_written(
    corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, plot = tmp_path / "r.json", tmp_path / "r.svg"
    line = f"balance {corpus} --minimum 0.2 --epochs 9 --samples 80 --tiers a,B"
    assert cli.main([*line.split(), "--out", str(out), "--plot", str(plot)]) == 0
    text = capsys.readouterr().out
    for word in ("Style", "Gini", "effective clips", "Effective epochs", "below 8"):
        assert word in text
    saved = json.loads(out.read_text())
    assert saved["asked"]["pool"] == {"minimum": 0.2, "most": 4.5}
    style = saved["report"]["axes"][0]
    assert style["gini_before"] == pytest.approx(0.4) and style["gini_after"] < 0.2
    assert saved["report"]["epochs"]["quantiles"][-1] <= 9 + 1e-9
    assert saved["report"]["pairs"]["absent"] == [["Miyazaki Style", "town"]]
    assert "svg" in plot.read_text()


def test_what_the_curriculum_draws_is_pictured(corpus: Path, tmp_path: Path) -> None:
    picture = tmp_path / "drawn.svg"
    assert cli.main(["balance", str(corpus), "--curriculum", str(picture)]) == 0
    assert "Draws by difficulty" in picture.read_text()


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ("--alpha 1.7", "alpha lies between 0"),
        ("--tiers S", "no clip of .* is of tier S: the weights sum to zero"),
        ("--tiers Q", "there is no tier 'Q'"),
        ("--samples 0", "samples must be 1 or more"),
        ("--minimum 0.7", "the minimum can be at most 0.333"),
        ("--minimum 0 --epochs 0.5", "allow 1 epochs or more"),
        ("--plot balance.txt", "a plot ends in"),
        ("--curriculum drawn", "a plot ends in"),
        ("--alfa 0.7", "alpha"),
    ],
)
def test_a_mistake_gets_one_sentence(
    corpus: Path, flags: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["balance", str(corpus), *flags.split()]) == 2
    error = capsys.readouterr().err
    assert re.search(words, error) and error.count("\n") == 1


def test_no_corpus_and_no_clips(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["balance", str(tmp_path / "nowhere")]) == 2
    assert "is not a corpus" in capsys.readouterr().err
    write_catalogue(tmp_path, [])
    assert cli.main(["balance", str(tmp_path)]) == 2
    assert "has no clips to balance" in capsys.readouterr().err
