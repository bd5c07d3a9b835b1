"""Every effect changes a clip where its entry says that it is seen."""

import pytest

from animatrix_data.procedural.effects import EFFECTS
from tests.data.procedural.effects.clips import SHORT
from tests.data.procedural.effects.regions import difference_in_region


@pytest.mark.parametrize("name", EFFECTS)
def test_an_effect_is_seen_where_its_entry_says(name: str) -> None:
    shots = EFFECTS[name].shots
    shot = next(s for s in ("Full Shot", "Medium Shot", "Close-Up") if s in shots)
    inside, outside, share = difference_in_region(name, shot, SHORT)
    assert inside > 1.0, "it hardly shows"
    assert inside > outside
    assert share > 0.5
