"""The goodput ledger: every second is of one kind, and all of them add up over a restart."""

import pytest

from animatrix_jax.training.ledger import KINDS, Ledger


class Clock:
    """A clock that a test moves on."""

    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def kinds(fields: dict[str, float]) -> dict[str, float]:
    return {kind: fields[f"goodput_{kind}_seconds"] for kind in KINDS}


def test_kinds_add_up_to_the_wall_time_and_nest() -> None:
    clock = Clock(100.0)
    ledger = Ledger(clock)
    clock.now += 1
    ledger.enter("other")
    with ledger.during("data_wait"):
        clock.now += 2
        with ledger.during("step"):
            clock.now += 4
        clock.now += 8
    with pytest.raises(KeyError), ledger.during("checkpoint"):
        clock.now += 16
        raise KeyError
    clock.now += 32
    fields = ledger.fields()
    told = {kind: value for kind, value in kinds(fields).items() if value}
    assert told == {"init": 1, "data_wait": 10, "step": 4, "checkpoint": 16, "other": 32}
    assert fields["wall_time"] - 100.0 == sum(told.values())
    assert ledger.line().startswith("goodput 6.3% of 63.0 s (init 1.0, data_wait 10.0, step 4.0")


@pytest.mark.parametrize(
    ("step", "lost", "kept"),
    [(4, 2 + 30, 8), (2, 4 + 2 + 30, 4), (0, 30 + 1 + 4 + 4 + 2, 0)],
)
def test_a_kill_loses_what_came_after_the_checkpoint_and_the_time_until_the_restart(
    step: int, lost: float, kept: float
) -> None:
    clock, records = Clock(50.0), []
    ledger = Ledger(clock)
    clock.now += 5
    ledger.enter("other")
    records.append({"step": 0, "checkpoint": 0, **ledger.fields()})
    for index in range(4):
        if index == 2:
            with ledger.during("checkpoint"):
                clock.now += 1
            records.append({"step": index, "checkpoint": index, **ledger.fields()})
        with ledger.during("step"):
            clock.now += 2
        records.append({"step": index, "loss": 1.0, **ledger.fields()})
    records.append({"step": 4, "checkpoint": 4, **ledger.fields()})
    with ledger.during("step"):
        clock.now += 2
    records.append({"step": 4, **ledger.fields()})
    records.append({"step": 4, "note": "no ledger here"})
    clock.now += 30
    again = Ledger(clock)
    again.go_on(records, step)
    fields = again.fields()
    assert kinds(fields)["lost"] == lost and kinds(fields)["step"] == kept
    assert sum(kinds(fields).values()) == clock.now - 50.0 == fields["wall_time"] - 50.0


def test_a_run_without_records_begins_anew() -> None:
    clock = Clock(7.0)
    ledger = Ledger(clock)
    ledger.go_on([{"step": 0, "loss": 1.0}], 0)
    assert sum(kinds(ledger.fields()).values()) == 0
