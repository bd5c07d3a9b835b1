"""The three-section directive, `<tag>` `<summary>` `<description>` (paper A.2.3)."""

from __future__ import annotations

import dataclasses
import re

from animatrix_data.taxonomy.tags import ProductionSpec, parse_tags, print_tags

SECTIONS = ("tag", "summary", "description")
_NAMES = "|".join(SECTIONS)
_MARKER = re.compile(rf"<({_NAMES})>", re.IGNORECASE | re.ASCII)
_CLOSING = re.compile(rf"</({_NAMES})>\s*$", re.IGNORECASE | re.ASCII)
_IN_PROSE = re.compile(rf"<(\\*)(/?(?:{_NAMES}))>", re.IGNORECASE | re.ASCII)


@dataclasses.dataclass(frozen=True)
class Directive:
    """A production spec with its prose: one sentence of `summary`, and a `description`.

    The prose is free-form; white space around it is not part of it.
    """

    spec: ProductionSpec
    summary: str = ""
    description: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "summary", self.summary.strip())
        object.__setattr__(self, "description", self.description.strip())

    @property
    def text(self) -> str:
        """What the text channel receives: summary and description, parted by a space."""
        return " ".join(filter(None, (self.summary, self.description)))


def print_directive(directive: Directive) -> str:
    """Return the canonical three-section text; `parse_directive` gives the directive back.

    A section marker inside the prose is printed with a backslash, `<\\summary>`.
    """
    bodies = (
        print_tags(directive.spec),
        _IN_PROSE.sub(r"<\\\1\2>", directive.summary),
        _IN_PROSE.sub(r"<\\\1\2>", directive.description),
    )
    lines = [f"<{name}> {body}".rstrip() for name, body in zip(SECTIONS, bodies, strict=True)]
    return "\n".join(lines) + "\n"


def parse_directive(text: str) -> Directive:
    """Return the directive that a three-section text holds.

    Sections may be absent, except that one must be there; closing markers are accepted. Raises
    ValueError with one sentence when no marker is found, text stands before the first, a section
    comes twice, or the tags are wrong (see `parse_tags`).
    """
    head, *pieces = _MARKER.split(text.lstrip("\ufeff"))
    if not pieces:
        raise ValueError("a directive has the sections <tag>, <summary>, <description>: none found")
    if head.strip():
        raise ValueError(f"a directive starts with <tag>, and this one with {_start(head)!r}")
    sections: dict[str, str] = {}
    for name, body in zip(pieces[::2], pieces[1::2], strict=True):
        if name.lower() in sections:
            raise ValueError(f"a directive has one <{name.lower()}> section, and this one has two")
        sections[name.lower()] = _CLOSING.sub("", body).strip()
    prose = [_unescape(sections.get(name, "")) for name in SECTIONS[1:]]
    return Directive(parse_tags(sections.get("tag", "")), *prose)


def _unescape(text: str) -> str:
    return _IN_PROSE.sub(lambda m: f"<{m[1][1:]}{m[2]}>", text)


def _start(text: str) -> str:
    words = text.strip().splitlines()[0]
    return words if len(words) <= 40 else f"{words[:37]}..."
