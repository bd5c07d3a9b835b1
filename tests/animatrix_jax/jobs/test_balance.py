"""`animatrix balance`: the report on the terminal and in files; one sentence for a mistake."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from animatrix_data.corpus.catalogue import ClipRow, read_catalogue, write_catalogue
from animatrix_data.sampling.balance import Pool, Target, balance_weights, target_weights
from animatrix_data.sampling.report import BalanceReport, balance_report
from animatrix_data.sampling.synthetic import write_long_tail
from animatrix_data.sampling.table import ClipTable, read_table
from animatrix_jax import cli
from animatrix_jax.flag_parsing import load_config
from animatrix_jax.jobs import balance

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
    assert saved["asked"] == {
        "alpha": 0.7, "minimum": 0.2, "epochs": 9, "tiers": "a,B", "stage": None, "samples": 80,
    }  # fmt: skip
    assert saved["left_out"] == {}
    style = saved["report"]["axes"][0]
    assert style["gini_before"] == pytest.approx(0.4) and style["gini_after"] < 0.2
    assert saved["report"]["epochs"]["quantiles"][-1] <= 9 + 1e-9
    assert saved["report"]["pairs"]["absent"] == [["Miyazaki Style", "town"]]
    assert "svg" in plot.read_text()


def test_tables_are_read_at_eighty_columns(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    write_long_tail(tmp_path, 5000)
    report = balance.run(tmp_path, stage="CT")
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    for axis in report.axes:
        for group in axis.classes[:4]:
            (name,) = group.names
            share = f"{100 * group.clips / report.clips:.3g} %"
            assert any(name in line and share in line for line in lines), name


def long(number: int) -> bool:
    """Whether a clip of `mixed` is 4 s long."""
    return number % 4 > 0


@pytest.fixture
def mixed(corpus: Path) -> Path:
    """The corpus, most of its clips long enough for their tiers, the tags of seven wrong."""
    rows = [
        replace(row, frames=33, tier="SAB"[i % 3]) if long(i) else row
        for i, row in enumerate(read_catalogue(corpus))
    ]
    for i in range(1, 20, 3):
        rows[i] = replace(rows[i], tags="VFX: Rane")
    write_catalogue(corpus, rows)
    return corpus


def taken(corpus: Path, tiers: str) -> list[int]:
    """Rows of those tiers, as they count, whose tags are right."""
    return [
        i for i, row in enumerate(read_catalogue(corpus))
        if (row.tier if long(i) else "B") in tiers and "Rane" not in row.tags
    ]  # fmt: skip


def reported(corpus: Path, rows: list[int], samples: int | None = None) -> BalanceReport:
    """What the flags' weights of these rows come to."""
    table = read_table(corpus).take(np.array(rows))
    weights = balance_weights(table, pool=Pool())
    return balance_report(table, weights, samples or len(rows), Pool.minimum)


@pytest.mark.parametrize(
    ("flags", "tiers"),
    [({}, "SAB"), ({"tiers": "s,a"}, "SA"), ({"tiers": "B"}, "B"), ({"stage": "SFT"}, "SA"),
     ({"stage": "QT"}, "S")],
)  # fmt: skip
def test_short_clips_count_as_b_and_wrong_tags_are_left_out(
    mixed: Path, flags: dict[str, Any], tiers: str
) -> None:
    assert balance.run(mixed, **flags) == reported(mixed, taken(mixed, tiers))


def test_clips_with_wrong_tags_are_named(
    mixed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "r.json"
    assert cli.main(["balance", str(mixed), "--out", str(out)]) == 0
    lines = capsys.readouterr().out.splitlines()[-7:]
    assert lines[0] == "7 clips are left out, with tags that the vocabulary lacks:"
    assert lines[1].startswith("  clip-1: ") and "Rain" in lines[1]
    assert lines[5].startswith("  clip-13: ") and lines[6] == "  and 2 more"
    assert list(json.loads(out.read_text())["left_out"]) == [f"clip-{i}" for i in range(1, 20, 3)]
    rows = [replace(row, tags="VFX: Rane") for row in read_catalogue(mixed)]
    write_catalogue(mixed, rows)
    assert cli.main(["balance", str(mixed)]) == 2
    assert re.search(
        "no clip of .* has tags that are right; of 'clip-0': ", capsys.readouterr().err
    )


CONFIG = """
from ml_collections import ConfigDict

def get_config():
    return ConfigDict({{"recipe": "{recipe}", "settings": {{
        "corpus": "elsewhere", "cache": None, "vae": "pocket", "text_encoder": "pocket",
        "steps": 10, "batch": 32, "held_out": 3, "stage": "SFT", {more}
    }}}})
"""


def config_file(folder: Path, more: str = "", recipe: str = "flow") -> Path:
    path = folder / "experiment.py"
    path.write_text(CONFIG.format(recipe=recipe, more=more))
    return path


@pytest.mark.parametrize(
    ("more", "tiers", "weigh"),
    [
        ("", "SA", lambda table: np.ones(len(table))),
        ("'balance': {'alpha': 0.4}", "SA", lambda table: balance_weights(table, 0.4)),
        ("'balance': {'minimum': 0.1, 'most': 3.0}, 'shortest': 0.0", "any",
         lambda table: balance_weights(table, pool=Pool(0.1, 3.0))),
        ("'target': {'S': {'Miyazaki Style': 0.5}}, 'stage': 'CT'", "SAB",
         lambda table: target_weights(table, Target(S={"Miyazaki Style": 0.5}))),
    ],
)  # fmt: skip
def test_a_config_is_reported_as_its_training_draws(
    mixed: Path, tmp_path: Path, more: str, tiers: str, weigh: Callable[[ClipTable], np.ndarray]
) -> None:
    catalogue = read_catalogue(mixed)

    def serves(i: int, row: ClipRow) -> bool:
        return row.tier in "SA" if tiers == "any" else (row.tier if long(i) else "B") in tiers

    rows = [i for i, row in enumerate(catalogue) if serves(i, row) and "Rane" not in row.tags][:-3]
    table = read_table(mixed).take(np.array(rows))
    least = 0.1 if "minimum" in more else 0.0
    target = Target(S={"Miyazaki Style": 0.5}) if "target" in more else None
    expected = balance_report(table, weigh(table), 320, least, target)
    path = config_file(tmp_path, more)
    assert balance.run(mixed, config=load_config(str(path))) == expected
    assert balance.run(mixed, config=load_config(str(path)), samples=7).epochs.samples == 7


def test_a_target_is_shown_as_wanted_found_and_drawn(
    mixed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pair = "{'share': 0.5, 'M': ('walk',), 'C': ('static',)}"
    target = f"{{'S': {{'Miyazaki Style': 0.5}}, 'combinations': ({pair},)}}"
    path = config_file(tmp_path, f"'shortest': 3.0, 'stage': 'CT', 'target': {target}")
    out = tmp_path / "r.json"
    line = ["balance", str(mixed), "--config", str(path), "--out", str(out)]
    assert cli.main(line) == 0
    said = capsys.readouterr().out
    assert "stage CT, by the config's target" in said and "S 'Miyazaki Style'" in said
    saved = json.loads(out.read_text())
    named = saved["report"]["target"]
    assert [part["wanted"] for part in named] == [0.5, 0.5]
    assert [part["after"] for part in named] == pytest.approx([0.5, 0.5])
    assert 0 < named[0]["before"] < 0.2 and named[1]["before"] > 0.8
    assert saved["asked"]["target"]["S"] == {"Miyazaki Style": 0.5}
    assert cli.main([*line, "--config.settings.stage=SFT", "--config.settings.shortest=2.0"]) == 0
    assert "stage SFT" in capsys.readouterr().out


def test_the_configs_curriculum_is_pictured(mixed: Path, tmp_path: Path) -> None:
    picture = tmp_path / "drawn.svg"
    path = config_file(tmp_path, "'curriculum': {'quantiles': 3, 'gamma': 4.0}")
    assert cli.main(
        ["balance", str(mixed), "--config", str(path), "--curriculum", str(picture)]
    ) == 0  # fmt: skip
    assert "Draws by difficulty" in picture.read_text()


@pytest.mark.parametrize(
    ("more", "recipe", "flags", "words"),
    [
        *(("", "flow", flag, f"what {flag.split()[0]} says is the config's to say")
          for flag in ("--alpha 0.7", "--minimum 0", "--epochs 4", "--tiers S", "--stage CT")),
        ("", "flow", "--curriculum d.svg", "the config has no curriculum"),
        ("", "oracle", "", "the config is of recipe 'oracle'"),
        ("'stag': 'CT'", "flow", "", "no key 'stag': did you mean stage"),
        ("'stage': 'QX'", "flow", "", "there is no stage 'QX'"),
        ("'stage': 'QT', 'held_out': 70", "flow", "", "held_out 70 leaves nothing"),
    ],
)  # fmt: skip
def test_a_config_and_its_mistakes(
    mixed: Path, tmp_path: Path, more: str, recipe: str, flags: str, words: str,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    path = config_file(tmp_path, more, recipe)
    assert cli.main(["balance", str(mixed), "--config", str(path), *flags.split()]) == 2
    error = capsys.readouterr().err
    assert re.search(words, error) and error.count("\n") == 1


def test_what_the_curriculum_draws_is_pictured(corpus: Path, tmp_path: Path) -> None:
    picture = tmp_path / "drawn.svg"
    assert cli.main(["balance", str(corpus), "--curriculum", str(picture)]) == 0
    assert "Draws by difficulty" in picture.read_text()


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ("--alpha 1.7", "alpha lies between 0"),
        ("--tiers S", "no clip of .* is of tier S and at least 4 s long: the weights sum to zero"),
        ("--stage QT", "no clip serves stage QT: none of 40 is of tier S"),
        ("--stage QX", "--stage takes one of CT, SFT, QT, DPO, not 'QX'"),
        ("--stage CT --tiers B", "by --tiers or by --stage, not by both"),
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
