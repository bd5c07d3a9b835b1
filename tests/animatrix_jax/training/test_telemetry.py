"""Metrics on disk: every record is read back, and an event file lies beside them."""

from pathlib import Path

import pytest
from tensorboardX.event_file_writer import EventsWriter

from animatrix_jax.training.telemetry import Telemetry, read_metrics


def test_records_are_read_back_and_appended(tmp_path: Path) -> None:
    for step, value in ((0, 1.5), (1, float("nan"))):
        telemetry = Telemetry(tmp_path)
        telemetry.write(step, {"loss": value, "rate": 0.5})
        telemetry.note(step, {"samples": [3]})
        telemetry.flush()
    first, noted, second, _ = read_metrics(tmp_path)
    assert (first["step"], first["loss"], first["rate"]) == (0, 1.5, 0.5)
    assert noted["samples"] == [3]
    assert second["loss"] is None and second["seconds"] >= 0
    plotted = b"".join(path.read_bytes() for path in (tmp_path / "tensorboard").glob("events*"))
    assert plotted.count(b"loss") == 1 and plotted.count(b"rate") == 2


def test_a_line_cut_short_is_left_out_and_ends_where_the_next_begins(tmp_path: Path) -> None:
    telemetry = Telemetry(tmp_path)
    telemetry.write(3, {"loss": 2.0})
    telemetry.flush()
    with (tmp_path / "metrics.jsonl").open("a") as stream:
        stream.write('{"step": 4, "lo')
    assert [record["step"] for record in read_metrics(tmp_path)] == [3]
    Telemetry(tmp_path).note(5, {})
    assert [record["step"] for record in read_metrics(tmp_path)] == [3, 5]


def test_of_several_processes_the_others_are_silent(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    telemetry = Telemetry(tmp_path / "run", silent=True)
    telemetry.write(0, {"loss": 1.0})
    telemetry.say("nobody hears this")
    telemetry.flush()
    assert not (tmp_path / "run").exists() and capsys.readouterr().err == ""


def test_a_full_disk_is_said_once_and_stops_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    telemetry = Telemetry(tmp_path)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(EventsWriter, "write_event", full)
        telemetry.write(0, {"loss": 1.0})
        telemetry.write(1, {"loss": 1.0})
    telemetry.write(2, {"loss": 1.0})
    telemetry.flush()
    assert capsys.readouterr().err.count("No space left on device; training goes on") == 1
    assert [record["step"] for record in read_metrics(tmp_path)] == [0, 1, 2]
    assert list((tmp_path / "tensorboard").glob("events*"))
