"""Metrics on disk: every record is read back, and an event file lies beside them."""

from pathlib import Path

from animatrix_jax.training.telemetry import Telemetry, read_metrics


def test_records_are_read_back_and_appended(tmp_path: Path) -> None:
    for step, value in ((0, 1.5), (1, float("nan"))):
        telemetry = Telemetry(tmp_path)
        telemetry.write(step, {"loss": value, "rate": 0.5})
        telemetry.flush()
    first, second = read_metrics(tmp_path)
    assert (first["step"], first["loss"], first["rate"]) == (0, 1.5, 0.5)
    assert second["loss"] is None and second["seconds"] >= 0
    assert list((tmp_path / "tensorboard").glob("events*"))


def test_a_line_cut_short_is_left_out(tmp_path: Path) -> None:
    telemetry = Telemetry(tmp_path)
    telemetry.write(3, {"loss": 2.0})
    telemetry.flush()
    with (tmp_path / "metrics.jsonl").open("a") as stream:
        stream.write('{"step": 4, "lo')
    assert [record["step"] for record in read_metrics(tmp_path)] == [3]
