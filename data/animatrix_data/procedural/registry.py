"""Named parts of the studio: one entry per tag value, added beside the code that draws it."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator

import numpy as np


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
        """Return the entry of a tag; ValueError names what the studio can draw instead."""
        if name not in self._entries:
            near = difflib.get_close_matches(name, self._entries, n=1, cutoff=0.6)
            hint = f" (did you mean {near[0]}?)" if near else ""
            raise ValueError(
                f"the procedural studio cannot draw {self.field}: {name}{hint}; "
                f"it can draw {', '.join(self._entries)}"
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


def generator(seed: int, purpose: str) -> np.random.Generator:
    """Return the random stream of one purpose of one clip (Philox keyed by seed and purpose)."""
    words = [seed % 2**64, *purpose.encode()]
    return np.random.Generator(np.random.Philox(np.random.SeedSequence(words)))
