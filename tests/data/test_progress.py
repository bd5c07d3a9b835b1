"""Progress: every item comes through, and somewhere else than on a terminal lines are few."""

import io

import pytest

from animatrix_data import progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_every_item_passes_and_the_last_line_counts_them(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert list(progress.track(range(7), label="Drawing")) == list(range(7))
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("Drawing: 7/7")


def test_a_line_comes_when_its_time_has_come(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(0, 1000, 3))
    monkeypatch.setattr(progress.time, "monotonic", lambda: float(next(clock)))
    stream = io.StringIO()
    with progress.ticking("Encoding", 8, stream) as ticker:
        for _ in range(8):
            ticker.advance(note="loss 0.5")
    lines = stream.getvalue().splitlines()
    assert 2 <= len(lines) <= 8
    assert "s left" in lines[0]
    assert "loss 0.5" in lines[0]
    assert lines[-1].startswith("Encoding: 8/8")


def test_a_terminal_gets_a_bar() -> None:
    stream = Terminal()
    with progress.ticking("Drawing", 2, stream) as ticker:
        ticker.advance(2, "rain")
    assert ticker.done == 2
    assert "Drawing" in stream.getvalue()
    assert "2/2" in stream.getvalue()


def test_an_unknown_length_is_no_matter(capsys: pytest.CaptureFixture[str]) -> None:
    assert list(progress.track(iter("ab"))) == ["a", "b"]
    assert capsys.readouterr().err.startswith("Working: 2, ")
