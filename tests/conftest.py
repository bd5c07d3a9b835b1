"""What every test stands on: JAX on the CPU unless asked otherwise, 64-bit arithmetic off."""

import os

os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ["JAX_ENABLE_X64"] = "0"

from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("suite", deadline=None, database=None, max_examples=50)
settings.load_profile("suite")


@pytest.fixture(scope="session")
def repository() -> Path:
    """The checkout's root folder."""
    return Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder with random weights: 5 frames of 16×16 pixels, both channels, references."""
    from tests.tiny import write_tiny_model

    folder = tmp_path_factory.mktemp("models") / "tiny"
    write_tiny_model(folder)
    return folder
