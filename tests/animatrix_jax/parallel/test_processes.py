"""How the environment says which process of a run this is."""

import pytest

from animatrix_jax.parallel.processes import COORDINATOR, PROCESS, PROCESSES, process_place


def test_what_the_environment_says() -> None:
    assert process_place({}) is None
    assert process_place({PROCESSES: "", PROCESS: "", COORDINATOR: ""}) is None
    assert process_place({PROCESSES: "auto"}) == (None, None, None)
    said = {PROCESSES: "4", PROCESS: "3", COORDINATOR: "first:1234"}
    assert process_place(said) == ("first:1234", 4, 3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({PROCESS: None}, f"{PROCESSES} and {COORDINATOR} without {PROCESS}: several processes"),
        ({PROCESSES: "two"}, "must be whole numbers .* not 'two' and '1'"),
        ({PROCESS: "2"}, f"{PROCESS} counts from 0 to 1, and is 2"),
        ({COORDINATOR: "first"}, f"{COORDINATOR} must be host:port, not 'first'"),
    ],
)
def test_what_contradicts_itself_is_refused(change: dict[str, str | None], message: str) -> None:
    said = {PROCESSES: "2", PROCESS: "1", COORDINATOR: "first:1234"} | change
    with pytest.raises(ValueError, match=message):
        process_place({name: value for name, value in said.items() if value is not None})
