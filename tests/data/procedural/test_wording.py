"""Everything that the studio draws has words, and several of them."""

import pytest

from animatrix_data.procedural import wording
from animatrix_data.procedural.content import HAIR_COLOURS, LIGHTS, PEOPLE, PLACES
from animatrix_data.procedural.effects import EFFECTS
from animatrix_data.procedural.effects.effect import REGIONS
from animatrix_data.procedural.sampler import DRAWABLE

TABLES = {
    "places": (wording.PLACES, PLACES),
    "lights": (wording.LIGHTS, LIGHTS),
    "hair": (wording.HAIR, {hair for styles in PEOPLE.values() for hair in styles}),
    "outfits": (wording.OUTFITS, PEOPLE),
    "actions": (wording.ACTIONS, DRAWABLE["MotionType"]),
    "faces": (wording.FACES, DRAWABLE["Emotion"]),
    "standpoints": (wording.STANDPOINTS, DRAWABLE["ShotScale"]),
    "regions": (wording.REGIONS, REGIONS),
    "mentions": (wording.MENTIONS, DRAWABLE),
}


@pytest.mark.parametrize("name", TABLES)
def test_everything_drawn_has_several_wordings(name: str) -> None:
    table, drawn = TABLES[name]
    assert set(table) >= set(drawn)
    for words in table.values():
        assert len(set(words)) == len(words) >= 2 and all(words)


def test_the_first_phrasebook_is_part_of_the_full_one() -> None:
    first, full = wording.FIRST, wording.FULL
    assert set(first.templates) <= set(full.templates)
    for place, words in first.places.items():
        assert full.places[place][: len(words)] == words
    assert {EFFECTS[name].region for name in EFFECTS} <= set(wording.REGIONS)


def test_summaries_fit_whatever_they_say() -> None:
    longest = {
        "person": "girl",
        "other": "second girl",
        "pronoun": "she",
        "object": "her",
        "outfit": "purple outfit",
        "other_outfit": "purple outfit",
        "place": max((w for words in wording.PLACES.values() for w in words), key=len),
        "light": max((w for words in wording.LIGHTS.values() for w in words), key=len),
    }
    colour = max(HAIR_COLOURS, key=len)
    forms = [form.format(colour) for words in wording.HAIR.values() for form in words]
    longest |= {"hair": max(forms, key=len), "other_hair": max(forms, key=len)}
    longest |= {f"{key[:1].upper()}{key[1:]}": text for key, text in longest.items()}
    for parts in (*wording.TEMPLATES, *wording.PAIR_TEMPLATES):
        summary, subject, scene = (part.format(**longest) for part in parts)
        assert len(summary) <= 75, summary
        assert len(f"{summary} {subject} {scene}") <= 150
