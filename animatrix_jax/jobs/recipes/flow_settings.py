"""What a flow-matching experiment says: the sizes of a model, its start, how it computes."""

from dataclasses import dataclass
from pathlib import Path

from animatrix_data.taxonomy import load_vocabulary
from animatrix_jax.diffusion.schedule import Schedule
from animatrix_jax.jobs.recipes.flow_data import FlowData
from animatrix_jax.models.conditioning import ConditioningConfig
from animatrix_jax.training.optimizer import OptimizerSettings


@dataclass(frozen=True)
class TransformerSettings:
    """The sizes that an experiment chooses; channels and text width follow from VAE and encoder."""

    dim: int
    ffn_dim: int
    heads: int
    layers: int
    text_length: int
    patch: tuple[int, int, int] = (1, 2, 2)
    freq_dim: int = 256
    rope_base: float = 10000.0
    absolute_positions: bool = False
    prediction: str = "velocity"


@dataclass(frozen=True)
class TagSettings:
    """The tag channel's sizes (decisions 1, 2); None for `adaln_rank` is the paper's full form."""

    dim: int = 1024
    heads: int = 8
    layers: int = 3
    adaln_rank: int | None = None
    gate: bool = True

    @property
    def conditioning(self) -> ConditioningConfig:
        """The channel as a network's config, for the vocabulary of today."""
        values = len(load_vocabulary().ids)
        return ConditioningConfig(
            values, self.dim, self.layers, self.heads, self.adaln_rank, self.gate
        )


@dataclass(frozen=True, kw_only=True)
class FlowSettings(FlowData):
    """What a flow-matching experiment fixes, besides its clips (`FlowData`).

    `vae` and `text_encoder` are model folders (or runs), frozen here. `initial` is a model folder
    to go on from, whose sizes and schedule then hold; without it `transformer` is needed and the
    start is random. `tags` is the tag channel of a new model, or the one to add to an initial Wan,
    which has none. `dtype`, `residual_dtype` and `remat` are how the transformer computes
    (`DiTConfig`), None as the model says; trained weights are float32. Gradients are gathered over
    `microbatches` parts of a batch; None is as many as a device has samples of an expert. Of the
    devices that share a sequence, `ulysses` exchange heads and the rest stand in a ring
    (`parallel.context`; None: as many as the heads allow). With `offload_optimizer` its statistics
    wait in the host's memory. Guidance and `negative` go onto the card; None is the initial
    model's. With `tied` all experts are trained as one network, the one that the high expert starts
    from. `variant` is a public model (`convert.variants`) or a shipped one, whose sizes `plan` and
    `--dry_run` take where a parent is still to be made.
    """

    transformer: TransformerSettings | None = None
    tags: TagSettings = TagSettings()
    schedule: Schedule = Schedule()
    knee: float = 0.0
    tied: bool = False
    initial: Path | None = None
    dtype: str | None = None
    residual_dtype: str | None = None
    remat: str | None = None
    microbatches: int | None = 1
    variant: str | None = None
    ulysses: int | None = None
    offload_optimizer: bool = False
    optimizer: OptimizerSettings = OptimizerSettings()
    guidance_text: float | tuple[float, float] | None = None
    guidance_tag: float | tuple[float, float] | None = None
    negative: str | None = None
    export_dtype: str = "float32"
    note: str = ""
