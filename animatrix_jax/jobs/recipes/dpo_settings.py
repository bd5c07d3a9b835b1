"""What a preference experiment says, besides what a flow-matching one does."""

from dataclasses import dataclass
from pathlib import Path

from animatrix_jax.jobs.recipes.flow_settings import FlowSettings
from animatrix_jax.objectives.preference import DPO

SAID_BY_PAIRS = ("mixture", "balance", "target", "curriculum")
"""What says of flow matching which clips are drawn, and of pairs must be left out."""


@dataclass(frozen=True, kw_only=True)
class DPOSettings(FlowSettings):
    """What a preference experiment fixes (section 5.4, decision 10).

    Pairs are those of `corpus`, all of them whatever their tiers; the last `held_out` are measured
    on, and pairs that share a clip with them are left out. A pair says its task. `initial` is both
    the start and the reference, whose errors are kept in the folder `references`: of every pair
    there are `draws` fixed draws of sigma, noise and conditions. `beta` and `weight` are the
    objective's (`DPO`). At most one sub-stage says how clips are fitted. Raises ValueError for what
    contradicts itself, and for settings of flow matching that pairs have no use for.
    """

    references: Path
    beta: float = 5000.0
    weight: str = "one"
    draws: int = 8
    stage: str = "DPO"
    on_bad: str = "raise"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.initial is None:
            raise ValueError(
                "a preference is learnt against a model: settings.initial says which, start and "
                "reference in one"
            )
        if self.draws < 1:
            raise ValueError(f"draws is how many of sigma and noise a pair has, not {self.draws}")
        for name in SAID_BY_PAIRS:
            if getattr(self, name):
                raise ValueError(f"the pairs say which clips are drawn: leave out {name}")
        if len(self.substages) > 1:
            raise ValueError(f"pairs have one sub-stage at most, not {len(self.substages)}")
        if self.on_bad != "raise":
            raise ValueError(f"no pair stands in for another: on_bad is raise, not {self.on_bad!r}")
        _ = self.objective

    @property
    def objective(self) -> DPO:
        """The loss; raises ValueError as it does."""
        return DPO(self.beta, self.weight)
