"""A model on disk in any layout: every tensor's name, shape and type checked, none of them read."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from animatrix_data.settings import build
from animatrix_jax.checkpoint.folder import ModelCard, read_card
from animatrix_jax.convert.foreign_config import card_of, read_schedule
from animatrix_jax.convert.layouts import (
    OURS,
    OWN_CARD,
    OWN_WEIGHTS,
    PLACES,
    RECORD,
    TOKENIZER,
    experts_in,
    find_layout,
)
from animatrix_jax.convert.networks import (
    EXPERTS,
    PARTS,
    Network,
    Shape,
    config_on,
    foreign_shape,
    moved_shape,
    network_of,
    own_shapes,
)
from animatrix_jax.convert.rules import Rule, by_foreign_name, check_names
from animatrix_jax.convert.tensors import (
    FLOATS,
    Stored,
    read_header,
    read_json,
    read_shards,
    same_bytes,
)
from animatrix_jax.convert.torch_zip import read_pickled

EMBEDDING_NAMES = ("shared.weight", "encoder.embed_tokens.weight")


@dataclass(frozen=True)
class Part:
    """One network: rules and tensors by our names, and what is ours alone beside them.

    There are no rules where the network is not Wan's.
    """

    name: str
    rules: Mapping[str, Rule]
    tensors: Mapping[str, Stored]
    own: Mapping[str, Stored] = field(default_factory=dict)


@dataclass(frozen=True)
class Checkpoint:
    """A model folder of one of the three layouts; `tokenizer` is a folder of files or None."""

    root: Path
    layout: str
    card: ModelCard
    parts: tuple[Part, ...]
    tokenizer: Path | None

    @property
    def files(self) -> list[Path]:
        """The files that hold its tensors."""
        return sorted({s.path for p in self.parts for s in (*p.tensors.values(), *p.own.values())})

    @property
    def experts(self) -> tuple[str, ...]:
        """The parts that are noise experts."""
        return tuple(part.name for part in self.parts if part.name in EXPERTS)


def read_checkpoint(root: Path, layout: str | None = None) -> Checkpoint:
    """Return what a folder holds, having checked all of it against the tables.

    `layout` is found where it is None. Raises ValueError in one sentence where a file is damaged,
    a tensor missing, unknown, of another shape or no float, the folder of another layout, or a
    conversion into it unfinished.
    """
    if (root / RECORD).is_file():
        raise ValueError(f"{root} is a conversion that is not finished: repeat that one first")
    found = find_layout(root)
    if layout is not None and layout != found:
        raise ValueError(f"{root} is of the {found} layout, not {layout}")
    tokenizer = root / TOKENIZER[found]
    card, parts = _read_ours(root) if found == OURS else _read_foreign(root, found)
    if not parts:
        raise ValueError(f"{root} holds no weights")
    return Checkpoint(root, found, card, parts, tokenizer if tokenizer.is_dir() else None)


def _read_ours(root: Path) -> tuple[ModelCard, tuple[Part, ...]]:
    card = read_card(root)
    experts = card.experts if card.transformer is not None else ()
    parts = []
    for name in PARTS:
        config = config_on(card, name)
        if config is None or (name in EXPERTS and name not in experts):
            continue
        tensors = read_shards(root / name, PLACES[OURS][name].stem)
        if not tensors and name in experts and any((root / e).is_dir() for e in experts):
            raise ValueError(f"{root} has no {name}/model.safetensors")
        if tensors:
            parts.append(_our_part(root, name, card, config, tensors))
    return card, tuple(parts)


def _our_part(
    root: Path, name: str, card: ModelCard, config: Any, tensors: dict[str, Stored]
) -> Part:
    expected = network_of(name).shapes(config)
    own: dict[str, Shape] = {}
    if name in EXPERTS:
        assert card.transformer is not None
        own = own_shapes(card.transformer)
    where = str(root / name)
    check_names([*expected, *own], tensors, where)
    for tensor, shape in (expected | own).items():
        _check(tensors[tensor], shape, where)
    network = network_of(name)
    # A network that is not Wan's has no table: it is only copied.
    table = () if network.not_wans(config) else network.rules(config)
    rules = {rule.ours: rule for rule in table}
    return Part(name, rules, {t: tensors[t] for t in expected}, {t: tensors[t] for t in own})


def _read_foreign(root: Path, layout: str) -> tuple[ModelCard, tuple[Part, ...]]:
    card = None
    if (root / OWN_CARD).is_file():
        card = build(ModelCard, read_json(root / OWN_CARD), str(root / OWN_CARD))
    configs: dict[str, Any] = {}
    parts = []
    experts = experts_in(root, layout)
    for name in PARTS:
        if name in EXPERTS and name not in experts:
            continue
        where, tensors = _foreign_tensors(root, layout, name)
        if not tensors:
            if name in experts:
                raise ValueError(f"{where} has no safetensors weights")
            continue
        network = network_of(name)
        configs[name] = _foreign_config(network, layout, where, tensors, card, name)
        parts.append(_foreign_part(name, network, layout, where, tensors, configs[name]))
    if len({repr(configs[expert]) for expert in experts}) > 1:
        raise ValueError(f"the two experts of {root} are of different sizes")
    if card is None:
        return card_of(layout, configs, experts, read_schedule(root, layout)), tuple(parts)
    return card, _with_own(root, card, tuple(parts))


def _foreign_tensors(root: Path, layout: str, part: str) -> tuple[Path, dict[str, Stored]]:
    """Return where a part lies (for sentences) and its tensors by their foreign names."""
    place = PLACES[layout][part]
    if not place.pickles:
        tensors = read_shards(root / place.folder, place.stem)
        return root / place.folder, _untied(tensors) if part == "text_encoder" else tensors
    files = [root / place.folder / name for name in place.pickles]
    there = [file for file in files if file.is_file()]
    if len(there) > 1:
        raise ValueError(f"{root} has both {' and '.join(file.name for file in there)}")
    return (there[0], read_pickled(there[0])) if there else (files[0], {})


def _untied(tensors: dict[str, Stored]) -> dict[str, Stored]:
    """Return a transformers encoder's tensors with the embedding under its first name only.

    It is one tensor with two names, and files have it under either or both.
    """
    first, second = EMBEDDING_NAMES
    if second not in tensors:
        return tensors
    rest = {name: stored for name, stored in tensors.items() if name != second}
    if first not in rest:
        rest[first] = tensors[second]
    elif not same_bytes(rest[first], tensors[second]):
        raise ValueError(f"{rest[first].path}: {first} and {second} differ, and should be one")
    return rest


def _foreign_config(
    network: Network,
    layout: str,
    where: Path,
    tensors: dict[str, Stored],
    card: ModelCard | None,
    part: str,
) -> Any:
    if card is not None and (config := config_on(card, part)) is not None:
        return config
    said = read_json(where / "config.json") if (where / "config.json").is_file() else {}
    shapes = {name: stored.shape for name, stored in tensors.items()}
    try:
        config = network.config_of(layout, shapes, said)
        return build(type(config), asdict(config), part)
    except KeyError as error:
        raise ValueError(f"{where} does not hold a Wan {part}: {error} is missing") from error
    except (IndexError, TypeError, ZeroDivisionError) as error:
        raise ValueError(f"{where} does not tell a Wan {part}'s sizes: {error}") from error
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from error


def _foreign_part(
    name: str, network: Network, layout: str, where: Path, tensors: dict[str, Stored], config: Any
) -> Part:
    rules = network.rules(config)
    known = by_foreign_name(rules, layout)
    check_names(known, tensors, str(where))
    expected = network.shapes(config)
    assert {rule.ours for rule in known.values()} == expected.keys()
    for foreign, rule in known.items():
        shape = tensors[foreign].shape
        try:
            right = moved_shape(rule, shape) == expected[rule.ours]
        except ValueError:
            right = False
        _check(
            tensors[foreign], shape if right else foreign_shape(rule, expected[rule.ours]), where
        )
    return Part(
        name,
        {rule.ours: rule for rule in rules},
        {rule.ours: tensors[foreign] for foreign, rule in known.items()},
    )


def _with_own(root: Path, card: ModelCard, parts: tuple[Part, ...]) -> tuple[Part, ...]:
    """Return the parts with our own modules, which lie beside a foreign folder's."""
    experts = [part.name for part in parts if part.name in EXPERTS]
    expected: dict[str, Shape] = {}
    if card.transformer is not None:
        shapes = own_shapes(card.transformer)
        expected = {f"{e}.{name}": shape for e in experts for name, shape in shapes.items()}
    path = root / OWN_WEIGHTS
    if expected and not path.is_file():
        raise ValueError(f"{root} has {OWN_CARD} but not {OWN_WEIGHTS}, our own modules' weights")
    own = read_header(path) if path.is_file() else {}
    check_names(expected, own, str(path))
    for name, shape in expected.items():
        _check(own[name], shape, path)
    return tuple(
        replace(part, own={
            name.removeprefix(f"{part.name}."): stored
            for name, stored in own.items() if name.startswith(f"{part.name}.")
        })
        for part in parts
    )  # fmt: skip


def _check(stored: Stored, shape: Shape, where: str | Path) -> None:
    if stored.shape != tuple(shape):
        raise ValueError(f"{where}: tensor {stored.name} has shape {stored.shape}, not {shape}")
    if stored.dtype not in FLOATS:
        raise ValueError(
            f"{where}: tensor {stored.name} is {stored.dtype}, not one of {', '.join(FLOATS)}"
        )
