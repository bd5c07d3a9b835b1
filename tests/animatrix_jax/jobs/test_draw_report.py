"""The report of a corpus: of specs alone, and of what is drawn, with measured scores."""

import json
from pathlib import Path

import pytest

from animatrix_data.procedural import Size
from animatrix_jax import cli
from animatrix_jax.jobs import draw


def test_without_a_folder_the_specs_alone_are_reported(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")
    assert cli.main(["draw", "--sampler", "long_tail", "--clips", "1200", "--report"]) == 0
    said = capsys.readouterr().out
    assert "1200 specs, nothing drawn" in said
    assert "dialogue and daily acting" in said and "≈ 45 %" in said and "faults: none" in said
    assert list(tmp_path.iterdir()) == []


def test_a_corpus_is_reported_with_scores_measured_from_its_pixels(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = {"clips": 8, "size": Size(64, 64, 9, 8), "sampler": "faulty", "processes": 1}
    drawn = draw.run(tmp_path / "c", **asked, report=True)
    assert "8 clips of" in capsys.readouterr().out
    written = json.loads((tmp_path / "c" / "report.json").read_text())
    report = written["report"]
    assert report["clips"] == 8 and sum(report["deformation"]) == 8
    assert sum(report["marginals"]["VideoStyle"].values()) == 8
    faults = [fault for row in drawn for fault in json.loads(row.truth)["faults"]]
    assert sum(report["faults"].values()) == len(faults) > 0
    assert set(written["spearman"]) == {"motion amplitude", "deformation"}
    again = draw.run(tmp_path / "c", report=True)
    assert again.digest == drawn.digest
