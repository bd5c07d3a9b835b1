"""Veils: light that a style lays over the whole frame, fixed to the lens and not to the scene."""

from __future__ import annotations

from collections.abc import Callable

import skia

from animatrix_data.procedural.colour import Rgb, fill
from animatrix_data.procedural.registry import Registry

Veil = Callable[[skia.Canvas, float], None]
"""Paints on a canvas whose frame is 1 high, centred at (0, 0), and as wide as the number given."""

VEILS: Registry[Veil] = Registry("veil")


@VEILS.add("shafts")
def _shafts(canvas: skia.Canvas, aspect: float) -> None:
    """Draw shafts of light from the upper left, and their flare."""
    for angle, share in ((20, 0.16), (41, 0.22), (62, 0.14)):
        canvas.save()
        canvas.translate(-0.6, -0.62)
        canvas.rotate(angle)
        beam = skia.Path().moveTo(0, 0).lineTo(2, -0.13).lineTo(2, 0.13).close()
        canvas.drawPath(beam, fill((1.0, 0.9, 0.7), share, skia.BlendMode.kScreen))
        canvas.restore()
    canvas.drawCircle(0.34, 0.34, 0.07, fill((0.7, 1.0, 0.85), 0.35, skia.BlendMode.kScreen))


def _radial(
    canvas: skia.Canvas, aspect: float, centre: tuple[float, float], stops: list[tuple[Rgb, float]],
    radius: float, blend: skia.BlendMode,
) -> None:  # fmt: skip
    """Fill the frame with colours (and opacities) evenly spaced from a centre to a radius."""
    colours = [skia.Color4f(*colour, alpha).toColor() for colour, alpha in stops]
    shader = skia.GradientShader.MakeRadial(skia.Point(*centre), radius, colours)
    paint = skia.Paint(Shader=shader, BlendMode=blend)
    canvas.drawRect(skia.Rect(-aspect / 2, -0.5, aspect / 2, 0.5), paint)


@VEILS.add("vignette")
def _vignette(canvas: skia.Canvas, aspect: float) -> None:
    """Darken the corners as a fast lens does."""
    black = (0.02, 0.03, 0.05)
    corner = (aspect**2 + 1) ** 0.5 / 2
    stops = [(black, 0.0), (black, 0.0), (black, 0.16), (black, 0.72)]
    _radial(canvas, aspect, (0.0, 0.0), stops, corner, skia.BlendMode.kSrcOver)


@VEILS.add("bloom")
def _bloom(canvas: skia.Canvas, aspect: float) -> None:
    """Let a warm key light bloom into the lens from the upper left."""
    warm = (1.0, 0.78, 0.42)
    stops = [(warm, 0.5), (warm, 0.16), (warm, 0.0)]
    _radial(canvas, aspect, (-aspect / 2, -0.5), stops, 1.1, skia.BlendMode.kScreen)
