"""ShotScale and ShotAngle: how large the figure stands, and from where it is looked at."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from animatrix_data.procedural.registry import Registry
from animatrix_data.procedural.timing import Build


@dataclass(frozen=True)
class Framing:
    """A figure's height and where its feet stand (frame heights from the centre, y down).

    `world` is the background's scale; `top` where the figure's visible part begins (frame heights
    from the centre); `steady` the share of the head's own way that the camera takes back, so that
    a detail stays in the frame.
    """

    height: float
    feet: float
    world: float
    top: float
    steady: float = 0.0


SHOTS: Registry[Callable[[Build], Framing]] = Registry("ShotScale")


def _crown(build: Build) -> float:
    """Return the height of the top of the hair in figure heights."""
    return build.neck + 2.1 * build.head


def _span(build: Build, low: float, share: float, bottom: float, world: float) -> Framing:
    """Frame the figure from a height `low` to its crown in a share of the frame."""
    height = share / (_crown(build) - low)
    return Framing(height, bottom + low * height, world, bottom - share)


@SHOTS.add("Close-Up")
def close_up(build: Build) -> Framing:
    """Frame the head and the shoulders."""
    height = 0.31 / build.head
    return Framing(height, 0.03 + (build.neck + 0.92 * build.head) * height, 1.6, -0.34)


@SHOTS.add("Medium Shot")
def medium_shot(build: Build) -> Framing:
    """Frame the figure from the waist up."""
    return _span(build, build.hip, 0.86, 0.48, 1.25)


@SHOTS.add("Full Shot")
def full_shot(build: Build) -> Framing:
    """Frame the whole figure."""
    return _span(build, 0.0, 0.76, 0.43, 1.0)


@SHOTS.add("Long Shot")
def long_shot(build: Build) -> Framing:
    """Frame a small figure in its surroundings."""
    return _span(build, 0.0, 0.44, 0.4, 0.85)


@SHOTS.add("Extreme Close-Up")
def extreme_close_up(build: Build) -> Framing:
    """Fill the frame with the eyes and the mouth, which the camera keeps where they are."""
    radius = 0.58
    height = radius / build.head
    # The eyes and the mouth lie about 0.4 radii below the head's centre, brows included.
    feet = (build.neck + 0.92 * build.head) * height - 0.4 * radius
    return Framing(height, feet, 2.0, -0.5, steady=0.9)


@dataclass(frozen=True)
class Projective:
    """A view in perspective of something upright or lying, about a line across the frame.

    With v the distance below `axis` it maps (x, axis + v) to (wide·x, to + tall·v) / (1 + lean·v),
    the division about (0, to): a positive `lean` makes the upper part larger.
    """

    axis: float
    to: float
    wide: float
    tall: float
    lean: float

    def softened(self, share: float) -> Projective:
        """Return the view with a share of its effect."""
        return Projective(
            self.axis,
            self.axis + share * (self.to - self.axis),
            1 + share * (self.wide - 1),
            1 + share * (self.tall - 1),
            share * self.lean,
        )

    def rows(self) -> tuple[float, ...]:
        """Return the nine entries of the 3×3 matrix, row by row."""
        keep = 1 - self.lean * self.axis
        return (
            *(self.wide, 0.0, 0.0),
            *(0.0, self.tall + self.to * self.lean, self.to * keep - self.tall * self.axis),
            *(0.0, self.lean, keep),
        )


@dataclass(frozen=True)
class Angle:
    """Where a camera stands to its subject.

    `upright` maps what stands in the background, `lying` the ground; `figure` maps the visible
    part of the figure, whose middle is its axis and whose height its unit; all None at eye level.
    `shadow` is the half width and height, in figure heights, of the figure's shadow on the ground;
    `roll` the slant of the frame in degrees; `plan` tells that nothing but the ground is seen.
    """

    upright: Projective | None = None
    lying: Projective | None = None
    figure: Projective | None = None
    shadow: tuple[float, float] | None = None
    roll: float = 0.0
    plan: bool = False


ANGLES: Registry[Angle] = Registry("ShotAngle")
ANGLES.add("Eye Level")(Angle())
ANGLES.add("High Angle")(
    Angle(
        upright=Projective(axis=0.12, to=-0.3, wide=1.0, tall=0.62, lean=0.12),
        lying=Projective(axis=0.24, to=-0.23, wide=1.0, tall=1.9, lean=-1.1),
        figure=Projective(axis=0.0, to=0.06, wide=0.88, tall=0.72, lean=0.75),
        shadow=(0.26, 0.12),
    )
)
ANGLES.add("Low Angle")(
    Angle(
        upright=Projective(axis=0.12, to=0.36, wide=1.15, tall=1.6, lean=-0.5),
        lying=Projective(axis=0.24, to=0.41, wide=1.1, tall=0.6, lean=-0.2),
        figure=Projective(axis=0.0, to=-0.29, wide=0.95, tall=1.05, lean=-0.75),
    )
)
ANGLES.add("Overhead")(
    Angle(
        lying=Projective(axis=0.39, to=0.0, wide=1.15, tall=3.0, lean=0.0),
        figure=Projective(axis=0.0, to=0.12, wide=0.8, tall=0.46, lean=1.0),
        shadow=(0.34, 0.5),
        plan=True,
    )
)
ANGLES.add("Dutch Angle")(Angle(roll=15.0))
