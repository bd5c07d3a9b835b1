"""How a tensor is called and laid out in each system: tables of rules, read in both directions.

A network's table is a tuple of `Rule`. `wan` is the original repository's naming, `diffusers` that
of the diffusers and transformers libraries; both hold torch's layouts, channels first. Ours are
the dotted names of a model folder (`checkpoint.folder`), channels last.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

import numpy as np
from einops import EinopsError, rearrange

SYSTEMS = ("wan", "diffusers")
LAYER = "{i}"


@dataclass(frozen=True)
class Rule:
    """One tensor's three names, and how its dims move.

    `form` is an einops pattern from the foreign layout to ours, `sizes` the extents that the way
    back needs. `{i}` in all names stands for a layer's number. A name is None where that system
    has no such tensor.
    """

    ours: str
    wan: str | None
    diffusers: str | None
    form: str = "... -> ..."
    sizes: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))

    def name_in(self, system: str) -> str | None:
        """Return the tensor's name in `wan` or `diffusers`."""
        return {"wan": self.wan, "diffusers": self.diffusers}[system]

    def to_ours(self, tensor: np.ndarray) -> np.ndarray:
        """Return a foreign tensor in our layout; ValueError where its shape cannot be."""
        return self._move(tensor, self.form, self.ours)

    def to_foreign(self, tensor: np.ndarray) -> np.ndarray:
        """Return our tensor in the foreign layout; ValueError where its shape cannot be."""
        before, after = self.form.split("->")
        return self._move(tensor, f"{after.strip()} -> {before.strip()}", self.ours)

    def _move(self, tensor: np.ndarray, form: str, name: str) -> np.ndarray:
        sizes = {axis: size for axis, size in self.sizes.items() if axis in form.split("->")[0]}
        try:
            return rearrange(tensor, form, **sizes)
        except EinopsError as error:
            raise ValueError(f"{name}: shape {tensor.shape} does not read as {form!r}") from error


def expand(rules: Iterable[Rule], layers: int) -> tuple[Rule, ...]:
    """Return the rules with `{i}` written out for each of `layers` layers."""
    written: list[Rule] = []
    for rule in rules:
        if LAYER not in rule.ours:
            written.append(rule)
            continue
        for layer in range(layers):
            ours, wan, diffusers = (
                None if name is None else name.replace(LAYER, str(layer))
                for name in (rule.ours, rule.wan, rule.diffusers)
            )
            assert ours is not None
            written.append(replace(rule, ours=ours, wan=wan, diffusers=diffusers))
    return tuple(written)


def by_foreign_name(rules: Iterable[Rule], system: str) -> dict[str, Rule]:
    """Return expanded rules by their name in a system, without those it lacks."""
    named = {rule.name_in(system): rule for rule in rules}
    return {name: rule for name, rule in named.items() if name is not None}


def to_ours(
    rules: Iterable[Rule], system: str, tensors: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """Return foreign tensors under our names in our layout.

    Raises ValueError where `tensors` lacks one of the rules' names or has another.
    """
    known = by_foreign_name(rules, system)
    check_names(known, tensors, system)
    return {rule.ours: rule.to_ours(tensors[name]) for name, rule in known.items()}


def to_foreign(
    rules: Iterable[Rule], system: str, tensors: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """Return our tensors under a system's names in its layout; ValueError as `to_ours`."""
    known = by_foreign_name(rules, system)
    check_names({rule.ours for rule in known.values()}, tensors, "ours")
    return {name: rule.to_foreign(tensors[rule.ours]) for name, rule in known.items()}


def check_names(expected: Iterable[str], found: Iterable[str], what: str) -> None:
    """Raise ValueError, naming one, where names are missing or too many."""
    expected, found = set(expected), set(found)
    for kind, names in (("missing", expected - found), ("unknown", found - expected)):
        if names:
            raise ValueError(f"{what}: tensor {min(names)} is {kind} ({len(names)} such in all)")
