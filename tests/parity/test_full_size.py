"""Every tensor of the public models at full size has one rule, and the shape that ours has.

`references/full_size.json` holds their names and shapes: diffusers' and transformers' from modules
without memory, the original's from its own classes (`tests.parity.torch_full_size`).
"""

import json
from functools import cache
from typing import Any

import pytest

from animatrix_jax.convert.networks import foreign_shape, moved_shape, network_of
from animatrix_jax.convert.rules import SYSTEMS, by_foreign_name
from tests.parity.case import FOLDER

MODELS = json.loads((FOLDER / "full_size.json").read_text(encoding="utf-8"))
EXPECTED = {
    "Wan2.2-T2V-A14B": {"dim": 5120, "layers": 40, "in_channels": 16, "out_channels": 16},
    "Wan2.2-I2V-A14B": {"ffn_dim": 13824, "heads": 40, "in_channels": 36, "out_channels": 16},
    "Wan2.2-TI2V-5B": {"dim": 3072, "ffn_dim": 14336, "heads": 24, "layers": 30, "in_channels": 48},
    "Wan2.1-T2V-1.3B": {"dim": 1536, "heads": 12, "layers": 30, "text_dim": 4096},
    "Wan2.1-T2V-14B": {"dim": 5120, "freq_dim": 256, "patch": (1, 2, 2), "text_length": 512},
    "VAE 2.1": {"base_dim": 96, "z_dim": 16, "patch": 1, "decoder_dim": None},
    "VAE 2.2": {"base_dim": 160, "z_dim": 48, "patch": 2, "decoder_dim": 256},
    "umT5-XXL": {"vocab": 256384, "dim": 4096, "ffn_dim": 10240, "heads": 64, "head_dim": 64},
}


def shapes_of(model: str, system: str) -> dict[str, tuple[int, ...]]:
    """A model's names and shapes in a system, every layer written out."""
    stored = MODELS[model][system]
    return {
        name.replace("{i}", str(layer)): tuple(shape)
        for name, shape in stored["tensors"].items()
        for layer in range(stored["layers"] if "{i}" in name else 1)
    }


@cache
def network(model: str, system: str) -> tuple[Any, Any]:
    """The table of a model's part, and its sizes read from a system's shapes."""
    table = network_of(MODELS[model]["part"])
    config = MODELS[model]["config"] if system == "diffusers" else {}
    return table, table.config_of(system, shapes_of(model, system), config)


BOTH = [(model, system) for model in MODELS for system in SYSTEMS if system in MODELS[model]]


@pytest.mark.parametrize(("model", "system"), BOTH)
def test_every_tensor_has_one_rule_and_our_shape(model: str, system: str) -> None:
    table, config = network(model, system)
    rules = table.rules(config)
    known, theirs, ours = (
        by_foreign_name(rules, system),
        shapes_of(model, system),
        table.shapes(config),
    )
    assert len({rule.ours for rule in rules}) == len(rules) == len(known) == len(ours)
    assert known.keys() == theirs.keys()
    assert {rule.ours: moved_shape(rule, theirs[name]) for name, rule in known.items()} == ours
    assert {name: foreign_shape(rule, ours[rule.ours]) for name, rule in known.items()} == theirs


@pytest.mark.parametrize("model", [model for model in MODELS if "wan" in MODELS[model]])
def test_both_systems_tell_the_same_sizes(model: str) -> None:
    assert network(model, "wan")[1] == network(model, "diffusers")[1]


@pytest.mark.parametrize("model", EXPECTED)
def test_sizes_are_the_published_ones(model: str) -> None:
    _, config = network(model, "diffusers")
    assert {name: getattr(config, name) for name in EXPECTED[model]} == EXPECTED[model]
