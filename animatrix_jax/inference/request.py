"""What is asked of the sampler, and what it comes to for one model."""

from dataclasses import dataclass, field, replace

import numpy as np

from animatrix_data.settings import near
from animatrix_data.taxonomy import Directive, ProductionSpec
from animatrix_jax.diffusion.guidance import Scales, high_low
from animatrix_jax.diffusion.schedule import GRIDS, Schedule, grid_sigmas
from animatrix_jax.diffusion.solvers import SOLVERS
from animatrix_jax.inference.references import References, place_references
from animatrix_jax.models.experts import HIGH, LOW
from animatrix_jax.runtime.model import Model
from animatrix_jax.runtime.video import Tiling, make_tiling

LARGEST_SEED = 2**32 - 1
SIDES = ("frames", "height", "width")


@dataclass(frozen=True)
class Request:
    """One clip asked for: tags, text, both or neither, a seed, and perhaps some of its frames.

    An empty spec or text is a channel not given. `references` are pictures by frame.
    """

    spec: ProductionSpec = ProductionSpec()
    text: str = ""
    seed: int = 0
    references: References = field(default_factory=dict)

    @classmethod
    def of(cls, directive: Directive, seed: int, references: References | None = None) -> "Request":
        """Return the request for a directive: its tags, its summary and description."""
        return cls(directive.spec, directive.text, seed, references or {})


@dataclass(frozen=True)
class SamplerSettings:
    """How clips are sampled; None takes what the model's card says.

    Guidance scales are (high, low), one per expert; `guidance_fields` splits the tag term over
    S, M, C, V (decision 4). `shift` is the flow shift of the sampling grid alone. `negative` is a
    text to steer away from, in place of the null text. `batch` clips run at once;
    `integer_timestep` cuts the model's timestep as Wan does. Frames are time_stride·n + 1. With
    `tile` the VAE works on square tiles of so many pixels, a quarter of them shared by neighbours.
    Raises ValueError for numbers that cannot be.
    """

    steps: int | None = None
    solver: str | None = None
    grid: str | None = None
    shift: float | None = None
    guidance_text: tuple[float, float] | None = None
    guidance_tag: tuple[float, float] | None = None
    guidance_fields: tuple[float, float, float, float] | None = None
    negative: str | None = None
    frames: int | None = None
    height: int | None = None
    width: int | None = None
    integer_timestep: bool = True
    batch: int = 8
    tile: int | None = None

    def __post_init__(self) -> None:
        for name, value, known in (("solver", self.solver, SOLVERS), ("grid", self.grid, GRIDS)):
            if value is not None and value not in known:
                raise ValueError(f"there is no {name} {value!r}{near(value, known)}")
        for name, count in (("steps", self.steps), ("batch", self.batch)):
            if count is not None and count < 1:
                raise ValueError(f"{name} must be at least 1, not {count}")


@dataclass(frozen=True)
class Plan:
    """Settings with every None filled in from a model's card, and checked against the model.

    `latent_shape` is (t, h, w, z); `clip` (frames, height, width) in pixels.
    """

    clip: tuple[int, int, int]
    latent_shape: tuple[int, int, int, int]
    fps: float
    schedule: Schedule
    solver: str
    grid: str
    sigmas: np.ndarray
    integer_timestep: bool
    scales: tuple[Scales, Scales]
    negative: str
    tiling: Tiling | None


def plan_sampling(model: Model, settings: SamplerSettings) -> Plan:
    """Return what `settings` come to for `model`; loads no weights.

    Raises ValueError for a clip that the model cannot make, or a model that makes none.
    """
    card, patch = model.card, model.transformer_config.dit.patch
    if card.schedule is None or card.clip is None:
        lacking = "schedule" if card.schedule is None else "clip"
        raise ValueError(f"the model folder {model.folder} has no {lacking} on its card")
    clip = tuple(
        getattr(card.clip, name) if getattr(settings, name) is None else getattr(settings, name)
        for name in SIDES
    )
    latent_shape = model.vae_config.latent_shape(*clip)
    units = (model.vae_config.time_stride, *[model.vae_config.space_stride] * 2)
    for name, pixels, edge, size, unit in zip(
        SIDES, clip, latent_shape[:3], patch, units, strict=True
    ):
        if edge % size:
            raise ValueError(
                f"{name} {pixels} does not suit the model's patches: it goes in steps of "
                f"{size * unit}"
            )
    schedule = card.schedule
    if settings.shift is not None:
        schedule = replace(schedule, shift=settings.shift)
    solver, grid = settings.solver or card.solver, settings.grid or card.grid
    for name, value, known in (("solver", card.solver, SOLVERS), ("grid", card.grid, GRIDS)):
        if value not in known:
            raise ValueError(
                f"the card of {model.folder} has no {name} of ours, {value!r}{near(value, known)}"
            )
    steps = settings.steps or card.steps
    if grid == card.grid == "anchors" and steps != card.steps:
        raise ValueError(
            f"the model {model.folder} was distilled to take {card.steps} steps, not {steps}"
        )
    text = settings.guidance_text or high_low(card.guidance_text, "guidance_text")
    tag = settings.guidance_tag or high_low(card.guidance_tag, "guidance_tag")
    scales = [Scales(text[i], tag[i], settings.guidance_fields) for i in (HIGH, LOW)]
    return Plan(
        clip=clip,
        latent_shape=latent_shape,
        fps=card.clip.fps,
        schedule=schedule,
        solver=solver,
        grid=grid,
        sigmas=grid_sigmas(steps, schedule, grid),
        # A distilled model was taught at its anchors as they are.
        integer_timestep=settings.integer_timestep and grid != "anchors",
        scales=(scales[HIGH], scales[LOW]),
        negative=card.negative if settings.negative is None else settings.negative,
        tiling=make_tiling(settings.tile, model.vae_config.space_stride),
    )


def check_request(model: Model, request: Request, frames: int) -> None:
    """Raise ValueError where `model` cannot serve `request` in a clip of `frames` frames.

    What it looks at: the tags, the references, the seed.
    """
    if not 0 <= request.seed <= LARGEST_SEED:
        raise ValueError(f"a seed goes from 0 to {LARGEST_SEED}, not {request.seed}")
    conditioning = model.transformer_config.conditioning
    if request.spec.tags and conditioning is None:
        raise ValueError(f"the model {model.folder} takes no tags: it has no tag encoder")
    for tag in request.spec.tags:
        if conditioning is not None and tag.term.id > conditioning.values:
            raise ValueError(
                f"the model {model.folder} is older than the tag {tag.field} {tag.name!r}: it "
                f"knows the first {conditioning.values} values"
            )
    placed = place_references(request.references, frames)
    if placed and model.card.reference is None:
        raise ValueError(f"the model {model.folder} takes no reference frame")
    if model.card.reference == "first_latent" and placed.keys() - {0}:
        raise ValueError(f"the model {model.folder} takes a reference at the first frame only")
