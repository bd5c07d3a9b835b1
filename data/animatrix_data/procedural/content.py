"""Content: who is in the clip and where, drawn from the seed and independent of every tag."""

from __future__ import annotations

from dataclasses import dataclass

from animatrix_data.procedural.colour import Rgb, rgb
from animatrix_data.procedural.registry import generator

HAIR_COLOURS: dict[str, Rgb] = {
    "black": rgb("2b2733"),
    "blonde": rgb("f6cf58"),
    "red": rgb("cf3a2e"),
    "blue": rgb("3f6fd6"),
    "pink": rgb("f48fb6"),
    "green": rgb("4aa862"),
}
OUTFIT_COLOURS: dict[str, Rgb] = {
    "red": rgb("dd3b3b"),
    "blue": rgb("3a62d8"),
    "green": rgb("3aa35a"),
    "yellow": rgb("f5c836"),
    "purple": rgb("8a4cc4"),
    "white": rgb("f4f2ee"),
}
SKIN: Rgb = rgb("ffd9bd")
PEOPLE: dict[str, tuple[str, ...]] = {
    "girl": ("long", "short", "twin-tailed"),
    "boy": ("short", "spiky"),
}
FIRST_PLACES = ("seaside", "city", "forest", "meadow", "mountains", "room")
"""The places of the staged samplers that the shipped model learnt."""
CONTENT_CLASSES: dict[str, tuple[str, ...]] = {
    "landscape": ("seaside", "forest", "meadow", "mountains", "vista"),
    "town": ("city", "market", "shrine"),
    "school": ("classroom", "rooftop"),
    "interior": ("room", "kitchen", "train"),
    "battlefield": ("ruins",),
}
"""The content class of a clip by its places: what a clip is about, apart from how it is drawn."""
PLACES = tuple(place for places in CONTENT_CLASSES.values() for place in places)
LIGHTS: dict[str, tuple[Rgb, float]] = {
    "morning": (rgb("ffe6c0"), 0.12),
    "noon": (rgb("ffffff"), 0.0),
    "sunset": (rgb("ff8a4a"), 0.3),
    "night": (rgb("1c2a66"), 0.55),
}


@dataclass(frozen=True)
class Content:
    """The identity of the figure, the place and the light of one clip."""

    person: str
    hair: str
    hair_colour: str
    outfit_colour: str
    place: str
    light: str
    facing: int


def content_class(place: str) -> str:
    """Return the content class of a place; ValueError for a place that the studio lacks."""
    for name, places in CONTENT_CLASSES.items():
        if place in places:
            return name
    raise ValueError(f"there is no place {place!r}: choose from {', '.join(PLACES)}")


@dataclass(frozen=True)
class Staging:
    """What the clips of a corpus share.

    places and lights: among which they are set; rehearsed: a place always has the same backdrop,
    an action the same first drawing, an effect the same scatter, where otherwise the seed decides;
    deformation: the range of its intensity beyond what the tags ask for (None: none).
    """

    places: tuple[str, ...] = PLACES
    lights: tuple[str, ...] = tuple(LIGHTS)
    rehearsed: bool = False
    deformation: tuple[float, float] | None = None

    def take(self, seed: int) -> int:
        """Return the seed of everything in a clip but its content."""
        return REHEARSAL if self.rehearsed else seed

    def deform(self, seed: int) -> float:
        """Return the deformation intensity of a seed, in [0, 1], beyond what its tags ask for."""
        if self.deformation is None:
            return 0.0
        return float(generator(seed, "deformation").uniform(*self.deformation))


REHEARSAL = 0
FREE = Staging()


def sample_content(seed: int, staging: Staging = FREE) -> Content:
    """Return the content of a seed; every field uniform and independent of the tags."""
    rng = generator(seed, "content")
    person = str(rng.choice(list(PEOPLE)))
    return Content(
        person=person,
        hair=str(rng.choice(PEOPLE[person])),
        hair_colour=str(rng.choice(list(HAIR_COLOURS))),
        outfit_colour=str(rng.choice(list(OUTFIT_COLOURS))),
        place=str(rng.choice(staging.places)),
        light=str(rng.choice(staging.lights)),
        facing=int(rng.choice([-1, 1])),
    )
