"""The models that a run starts from: on disk, or as a card where they are still to be made."""

from pathlib import Path

from animatrix_jax.checkpoint.folder import ModelCard
from animatrix_jax.convert.foreign_config import public_card
from animatrix_jax.runtime.model import SHIPPED, Model, find_model, load_model


def is_there(name: Path) -> bool:
    """Return whether there is anything where a model is said to be."""
    try:
        find_model(name)
    except ValueError:
        return False
    return True


def parent_model(name: Path, variant: str | None) -> Model:
    """Return the model `name`; where nothing is there yet, one of the variant's card, unweighted.

    Its sizes suffice to trace and compile. Without a variant a model must be there. Raises
    ValueError where it is not, and for a variant that there is not.
    """
    if variant is None or is_there(name):
        return load_model(name)
    return Model(name, _card_of(variant))


def _card_of(variant: str) -> ModelCard:
    return load_model(variant).card if (SHIPPED / variant).is_dir() else public_card(variant)
