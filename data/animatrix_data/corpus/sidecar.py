"""What is known of a video, in a JSON file beside it: a structured caption or a directive.

`clip.mp4` takes `clip.json` or `clip.mp4.json`. Either the file is a structured caption (paper
appendix A.2), or it is {"directive": "<tag> … <summary> … <description> …"}; both may add
"content", the genre or content class. Without a sidecar the clip has the empty directive: no
tags and no words, which conditions like a clip whose tags and text were dropped. The name of the
file says nothing reliable about the picture and is not used.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from animatrix_data.caption.schema import parse_caption, to_directive
from animatrix_data.taxonomy.directive import Directive, parse_directive, print_directive
from animatrix_data.taxonomy.tags import ProductionSpec, print_tags

UNKNOWN_CONTENT = "unknown"
MAX_BYTES = 2**20


@dataclass(frozen=True)
class Sidecar:
    """Caption columns of a catalogue row: `caption` JSON or None, `directive` and `tags` texts."""

    caption: str | None
    directive: str
    tags: str
    content: str = UNKNOWN_CONTENT


def find_sidecar(video: Path) -> Path | None:
    """Return the sidecar of a video, `clip.mp4.json` before `clip.json`, or None."""
    for path in (video.with_name(video.name + ".json"), video.with_suffix(".json")):
        if path.is_file() and path != video:
            return path
    return None


def is_sidecar(path: Path) -> bool:
    """Whether `path` is a JSON file beside the video that it describes."""
    if path.suffix.lower() != ".json":
        return False
    if path.with_suffix("").is_file():
        return True
    return any(
        other.stem == path.stem and other.suffix.lower() != ".json"
        for other in path.parent.iterdir()
        if other.is_file()
    )


def empty_sidecar() -> Sidecar:
    """Return what is recorded of a video without a sidecar: no tags, no words."""
    return _of(Directive(ProductionSpec(()), "", ""), None, UNKNOWN_CONTENT)


def read_sidecar(path: Path | None) -> Sidecar:
    """Read a sidecar (None gives `empty_sidecar`). Raises ValueError with one sentence."""
    if path is None:
        return empty_sidecar()
    if path.stat().st_size > MAX_BYTES:
        raise ValueError(f"{path} is too large for a sidecar: the limit is {MAX_BYTES} bytes.")
    try:
        record: Any = json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"{path} is not JSON ({error}).") from error
    if not isinstance(record, dict):
        raise ValueError(f"{path} must hold a JSON object, not a {type(record).__name__}.")
    content = record.pop("content", UNKNOWN_CONTENT)
    if not isinstance(content, str) or not content.strip():
        raise ValueError(f"{path} has a content that is not a word but {content!r}.")
    try:
        if "directive" in record:
            return _of(_directive(record), None, content)
        caption = parse_caption(json.dumps(record))
        return _of(to_directive(caption), caption.to_json(), content)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def _directive(record: dict[str, Any]) -> Directive:
    text = record.pop("directive")
    if record:
        raise ValueError(f"beside a directive there is room for content only, not {min(record)!r}.")
    if not isinstance(text, str):
        raise ValueError(f"the directive must be text, not a {type(text).__name__}.")
    return parse_directive(text)


def _of(directive: Directive, caption: str | None, content: str) -> Sidecar:
    return Sidecar(caption, print_directive(directive), print_tags(directive.spec), content)
