"""Named parts of the studio: one entry per tag value, added beside the code that draws it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from animatrix_data.settings import near
from animatrix_data.taxonomy.tags import ProductionSpec


class Registry[T]:
    """Maps the canonical tag names of one sub-field to what draws them."""

    def __init__(self, field: str) -> None:
        self.field = field
        self._entries: dict[str, T] = {}

    def add(self, name: str) -> Callable[[T], T]:
        """Return a decorator that files an entry under a canonical tag name."""

        def file(entry: T) -> T:
            assert name not in self._entries, f"{self.field}: {name} is registered twice"
            self._entries[name] = entry
            return entry

        return file

    def __getitem__(self, name: str) -> T:
        """Return the entry of a name; ValueError says what is close to one that is unknown."""
        if name not in self._entries:
            raise ValueError(
                f"the studio cannot draw {self.field}: {name}{near(name, self._entries)}"
            )
        return self._entries[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def __len__(self) -> int:
        return len(self._entries)

    def names(self) -> tuple[str, ...]:
        """Return the canonical names in the order of registration."""
        return tuple(self._entries)


def first_name(spec: ProductionSpec, field: str, default: str) -> str:
    """Return the name of a spec's first tag of a field, or what stands for it where it has none."""
    tags = spec.get(field)
    return tags[0].name if tags else default


def generator(seed: int, purpose: str) -> np.random.Generator:
    """Return the random stream of one purpose of one clip (Philox keyed by seed and purpose)."""
    words = [seed % 2**64, *purpose.encode()]
    return np.random.Generator(np.random.Philox(np.random.SeedSequence(words)))
