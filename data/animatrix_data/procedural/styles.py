"""VideoStyle: how a clip is painted (outline, palette, shading, sky and light)."""

from __future__ import annotations

from dataclasses import dataclass, field

from animatrix_data.procedural.colour import Grade, Rgb, rgb
from animatrix_data.procedural.registry import Registry


@dataclass(frozen=True)
class Style:
    """One rendering tradition as numbers; widths are fractions of the frame height.

    How lines and colours are laid: `outline` and `scenery_outline` (0 = none) in `ink`, and
    `brush`, the outline of scenery that shows only in a fine layer and dries downwards; the grades
    `figure` and `scenery`; `shade`, the share of `shadow` in a cel's dark side; `rim`, a line of
    back light; `wash`, the paper that ink fades into; `light_share`, how far the light of the hour
    colours the scenery.

    How volumes are lit (all 0 or 1 in a drawn style; light falls from the upper left):
    `volume` in [0, 1], the strength of smooth shading from the lit to the dark side, in place of
    the hard cel shadow; `gloss` in [0, 1], the opacity of specular highlights on hair, eyes and
    cloth; `scatter`, the warm colour that light takes inside skin, at the border of its shadow;
    `contact` in [0, 1], the darkness of the soft shadow on the ground under a figure;
    `eye_scale` and `head_scale`, the size of eyes and head beside a drawn figure's.

    `skies` gives the (top, bottom) sky colours by light; `texture`, `clouds`, `grain` and `veil`
    name the background texture and the cloud form of `sky`, the surface of `grain` (of opacity
    `grain_strength`) and the light over the whole frame of `veils`. `haze` in [0, 1] is the share
    of sky colour in the far layer; `focus` is the blur of the far layer (standard deviation).
    """

    outline: float
    ink: Rgb
    figure: Grade
    scenery: Grade
    shade: float
    shadow: Rgb
    skies: dict[str, tuple[Rgb, Rgb]] = field(repr=False)
    scenery_outline: float = 0.0
    rim: Rgb | None = None
    brush: float = 0.0
    wash: Rgb | None = None
    texture: str = ""
    clouds: str = "puff"
    veil: str = ""
    light_share: float = 1.0
    volume: float = 0.0
    gloss: float = 0.0
    scatter: Rgb | None = None
    contact: float = 0.0
    eye_scale: float = 1.0
    head_scale: float = 1.0
    grain: str = ""
    grain_strength: float = 0.3
    haze: float = 0.0
    focus: float = 0.0


def _skies(**codes: str) -> dict[str, tuple[Rgb, Rgb]]:
    return {light: (rgb(c[:6]), rgb(c[7:])) for light, c in codes.items()}


STYLES: Registry[Style] = Registry("VideoStyle")

STYLES.add("2D Japanese Anime")(
    Style(
        outline=0.024,
        ink=rgb("2a1f33"),
        figure=Grade(saturation=1.05),
        scenery=Grade(saturation=0.9, tint=rgb("ffffff"), share=0.1),
        shade=0.38,
        shadow=rgb("4a3f80"),
        skies=_skies(
            morning="8fd0f5-fdeccb",
            noon="4fa9f0-cfefff",
            sunset="e07a62-ffd79a",
            night="16224f-4a5da0",
        ),
        grain="poster",
        grain_strength=0.13,
    )
)
STYLES.add("2D Western Comics")(
    Style(
        outline=0.044,
        ink=rgb("000000"),
        figure=Grade(saturation=1.4, value=1.05),
        scenery=Grade(saturation=1.7, value=1.0),
        shade=0.0,
        shadow=rgb("000000"),
        skies=_skies(
            morning="ffd21f-ffe98a",
            noon="ffd21f-ffd21f",
            sunset="ff5a1f-ff8a1f",
            night="2b3fd0-2b3fd0",
        ),
        scenery_outline=0.034,
        texture="halftone",
        clouds="none",
        light_share=0.4,
        grain="screentone",
        grain_strength=0.4,
    )
)
STYLES.add("2D Chinese Style")(
    Style(
        outline=0.03,
        ink=rgb("3a3835"),
        figure=Grade(saturation=0.6, value=0.92, tint=rgb("d8c9a8"), share=0.12),
        scenery=Grade(saturation=0.22, value=0.62, tint=rgb("8d8572"), share=0.25),
        shade=0.22,
        shadow=rgb("3a3835"),
        skies=_skies(
            morning="efe3c6-e8dab8",
            noon="ecdfc0-e6d6b0",
            sunset="e8cfa4-dfb98c",
            night="b9b09a-d0c3a2",
        ),
        brush=0.011,
        wash=rgb("e9dcba"),
        texture="seal",
        clouds="mist",
        light_share=0.25,
        grain="paper",
        grain_strength=0.4,
    )
)
STYLES.add("2D Flat Cartoon")(
    Style(
        outline=0.0,
        ink=rgb("5a4a78"),
        figure=Grade(saturation=0.95, value=1.03, tint=rgb("ffffff"), share=0.1),
        scenery=Grade(saturation=0.62, value=1.1, tint=rgb("ffe3ee"), share=0.32),
        shade=0.0,
        shadow=rgb("8a6fb0"),
        skies=_skies(
            morning="ffe2d1-ffe2d1",
            noon="bfeaf0-bfeaf0",
            sunset="ffc3b0-ffc3b0",
            night="a9a4dc-a9a4dc",
        ),
        texture="discs",
        clouds="pill",
        light_share=0.35,
        grain="confetti",
        grain_strength=0.7,
    )
)
STYLES.add("Miyazaki Style")(
    Style(
        outline=0.016,
        ink=rgb("6b4a33"),
        figure=Grade(saturation=0.82, value=0.98, tint=rgb("f3e3bd"), share=0.1),
        scenery=Grade(saturation=0.95, value=0.95, tint=rgb("8fc08a"), share=0.28),
        shade=0.2,
        shadow=rgb("5b6d5a"),
        skies=_skies(
            morning="9fd6e6-e3f2d8",
            noon="6fbfe0-d3eedd",
            sunset="c9b58f-f3deaa",
            night="33566b-6f9a94",
        ),
        texture="hills",
        clouds="cumulus",
        light_share=0.6,
        grain="watercolour",
        grain_strength=0.3,
    )
)
STYLES.add("Shinkai Style")(
    Style(
        outline=0.014,
        ink=rgb("2b2150"),
        figure=Grade(saturation=1.1, value=0.95, tint=rgb("5a4ab0"), share=0.1),
        scenery=Grade(saturation=1.25, value=0.72, tint=rgb("3a3aa8"), share=0.3),
        shade=0.45,
        shadow=rgb("35256e"),
        skies=_skies(
            morning="3d6fe0-ffb3c8",
            noon="1650d8-6fd0ff",
            sunset="4a2fa8-ff8a4a",
            night="120f4a-8a3fb0",
        ),
        rim=rgb("ffd9a0"),
        texture="sun",
        clouds="streak",
        veil="shafts",
        light_share=0.5,
        grain="dapple",
        grain_strength=0.3,
    )
)
STYLES.add("3D Cartoon")(
    Style(
        outline=0.0,
        ink=rgb("2a1a4a"),
        figure=Grade(saturation=1.3, value=1.08),
        scenery=Grade(saturation=1.45, value=1.08, tint=rgb("ff8ad8"), share=0.1),
        shade=0.3,
        shadow=rgb("5a1f9a"),
        skies=_skies(
            morning="5ad8ff-ffd0f0",
            noon="28b8ff-a8f4ff",
            sunset="ff5aa8-ffd05a",
            night="1a3ad0-38c0f0",
        ),
        texture="ball",
        clouds="balloon",
        light_share=0.55,
        volume=0.75,
        gloss=1.0,
        contact=0.6,
        eye_scale=1.15,
        head_scale=1.08,
        grain="dimples",
        grain_strength=0.26,
    )
)
STYLES.add("3D Pixar/Disney")(
    Style(
        outline=0.0,
        ink=rgb("3a2418"),
        figure=Grade(saturation=1.1, value=1.0, tint=rgb("ffb060"), share=0.08),
        scenery=Grade(saturation=1.25, value=0.95, tint=rgb("ff9a3a"), share=0.18),
        shade=0.35,
        shadow=rgb("4a2a4a"),
        skies=_skies(
            morning="f0b878-fff0c8",
            noon="58b0c8-ffe8b0",
            sunset="c0583a-ffc860",
            night="1f3a5a-c88a5a",
        ),
        rim=rgb("fff0b0"),
        texture="glow",
        clouds="fluff",
        veil="bloom",
        light_share=0.55,
        volume=0.6,
        gloss=0.6,
        scatter=rgb("ff5a3a"),
        contact=0.5,
        eye_scale=1.3,
        grain="felt",
        grain_strength=0.13,
        haze=0.25,
    )
)
STYLES.add("3D Realistic CG")(
    Style(
        outline=0.0,
        ink=rgb("1a1a1c"),
        figure=Grade(saturation=0.72, value=0.9, tint=rgb("6a7478"), share=0.06),
        scenery=Grade(saturation=0.5, value=0.85, tint=rgb("5a666a"), share=0.15),
        shade=0.4,
        shadow=rgb("12161c"),
        skies=_skies(
            morning="8e9aa0-dcd4c2",
            noon="6f8799-d2dcde",
            sunset="4e5058-e0a068",
            night="10161e-2e3c48",
        ),
        texture="overcast",
        clouds="vapour",
        veil="vignette",
        light_share=0.5,
        volume=0.8,
        gloss=0.25,
        scatter=rgb("b0483a"),
        contact=0.8,
        eye_scale=0.72,
        head_scale=0.92,
        grain="photo",
        grain_strength=0.26,
        haze=0.3,
        focus=0.009,
    )
)
