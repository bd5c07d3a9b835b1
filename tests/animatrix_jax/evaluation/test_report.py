"""Reports: what a table says, what a file holds."""

import json
from pathlib import Path

from rich.console import Console
from rich.table import Table

from animatrix_data.taxonomy import parse_tags
from animatrix_jax.evaluation.adherence import measure_adherence
from animatrix_jax.evaluation.report import (
    UNREAD_CLIP,
    adherence_table,
    answer_table,
    as_json,
    confusion,
    fault_table,
    guidance_table,
    interval,
    percent,
    write_report,
)
from animatrix_jax.evaluation.statistics import proportion

SPECS = [
    parse_tags("VideoStyle: Shinkai Style, VFX: Rain"),
    parse_tags("VideoStyle: Miyazaki Style"),
]
READINGS = [{"VideoStyle": {"Shinkai Style": 1.0}, "VFX": {"Snow": 1.0}}] * 2
REPORT = measure_adherence(SPECS, READINGS, {"VideoStyle": 0.9, "VFX": 0.4}, permutations=10)


def printed(table: Table) -> str:
    console = Console(width=160)
    with console.capture() as capture:
        console.print(table)
    return capture.get()


def test_shares_in_words() -> None:
    assert (percent(0.876), percent(None), percent(float("nan"))) == ("88 %", "–", "–")
    assert interval(proportion(5, 10)) == "50 % [24, 76]"


def test_a_weak_oracle_is_said_to_be_one() -> None:
    lines = printed(adherence_table(REPORT, "Clips")).splitlines()
    assert any("S VideoStyle" in line and "50 % [" in line and "90 %" in line for line in lines)
    assert any("V VFX" in line and "(0 %)" in line and "not measured" in line for line in lines)


def test_guidance_shows_what_was_measured_only() -> None:
    text = printed(guidance_table({0.0: REPORT, 2.0: REPORT}))
    assert "VideoStyle" in text and "VFX" not in text


def test_confusion_counts_pairs() -> None:
    assert confusion(["a", "b", "a"], ["a", "a", "b"]) == {"a": {"a": 1, "b": 1}, "b": {"a": 1}}


def test_an_answer_says_what_is_read_instead() -> None:
    counts = confusion(["Rain"] * 4, ["Rain", "Snow", "Aura", "Snow"])
    shares = {"Rain": proportion(1, 4)}
    (line,) = [x for x in printed(answer_table("VFX", shares, counts, {"Rain": 0.25})).splitlines()
               if "25 % [" in x]  # fmt: skip
    assert "Snow 2, Aura 1" in line and "not measured" in line


def test_what_is_not_read_stands_apart() -> None:
    counts = confusion(["Rain"] * 3, ["Rain", UNREAD_CLIP, UNREAD_CLIP])
    table = answer_table("VFX", {"Rain": proportion(1, 1)}, counts, {})
    assert [list(column.cells) for column in table.columns[3:5]] == [[""], ["2"]]


def test_faults_have_areas_and_correlations() -> None:
    row = {"clips": 9, "auc": 0.981, "reconstructed": None, "correlation": -0.052}
    text = printed(fault_table({"tear": row}))
    assert all(part in text for part in ("tear", "0.981", "–", "-0.052"))


def test_a_report_is_json_without_nan(tmp_path: Path) -> None:
    write_report(tmp_path / "r.json", {"found": proportion(0, 0), "report": REPORT})
    content = json.loads((tmp_path / "r.json").read_text(), parse_constant=lambda name: 1 / 0)
    assert content["found"] == {"share": None, "hits": 0, "trials": 0, "low": 0.0, "high": 1.0}
    assert content["report"]["sub_fields"][0]["name"] == "VideoStyle"
    assert as_json((1, [float("inf")])) == [1, [None]]
