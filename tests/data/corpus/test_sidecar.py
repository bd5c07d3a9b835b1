"""Sidecars of both kinds, and a sentence for each that is wrong."""

import json
from pathlib import Path

import pytest

from animatrix_data.caption.schema import StructuredCaption
from animatrix_data.corpus.sidecar import find_sidecar, is_sidecar, read_sidecar
from animatrix_data.taxonomy.directive import parse_directive

DIRECTIVE = "<tag> VideoStyle: Shinkai Style, VFX: Rain\n<summary> A girl waits."


def write(path: Path, record: object) -> Path:
    path.write_text(record if isinstance(record, str) else json.dumps(record))
    return path


def test_a_directive_is_kept_in_canonical_form(tmp_path: Path) -> None:
    sidecar = read_sidecar(write(tmp_path / "a.json", {"directive": DIRECTIVE, "content": "rain"}))
    directive = parse_directive(sidecar.directive)
    assert directive == parse_directive(DIRECTIVE)
    assert directive.summary == "A girl waits."
    assert (sidecar.caption, sidecar.content) == (None, "rain")
    assert f"<tag> {sidecar.tags}\n" in sidecar.directive


def test_a_structured_caption_gives_tags_and_words(tmp_path: Path) -> None:
    caption = {"VideoStyle": "Shinkai Style", "camera_motion": "pan left", "lighting": "dusk"}
    sidecar = read_sidecar(write(tmp_path / "a.json", caption))
    assert sidecar.caption is not None
    assert StructuredCaption.model_validate_json(sidecar.caption).lighting == "dusk"
    assert "Shinkai" in sidecar.tags
    assert "pan left" in sidecar.tags.lower()
    assert "dusk" in parse_directive(sidecar.directive).text
    assert sidecar.content == "unknown"


def test_no_sidecar_is_the_empty_directive() -> None:
    sidecar = read_sidecar(None)
    directive = parse_directive(sidecar.directive)
    assert (directive.spec.tags, directive.text) == ((), "")
    assert (sidecar.caption, sidecar.tags, sidecar.content) == (None, "", "unknown")


@pytest.mark.parametrize(
    ("record", "words"),
    [
        ("{not json", "is not JSON"),
        ([1], "must hold a JSON object, not a list"),
        ({"directive": 3}, "must be text, not a int"),
        ({"directive": DIRECTIVE, "VideoStyle": "x"}, "room for content only, not 'VideoStyle'"),
        ({"directive": "<tag> VideoStyle: Shinkay Style"}, "Shinkai"),
        ({"VideoStile": "Shinkai Style"}, "VideoStile"),
        ({"VideoStyle": "Shinkay Style"}, "Shinkai"),
        ({"directive": DIRECTIVE, "content": 4}, "content that is not a word but 4"),
        ('{"lighting": "' + "x" * 2**20 + '"}', "too large for a sidecar"),
    ],
)
def test_wrong_sidecars_name_file_and_fault(tmp_path: Path, record: object, words: str) -> None:
    with pytest.raises(ValueError, match=words) as caught:
        read_sidecar(write(tmp_path / "a.json", record))
    assert str(tmp_path / "a.json") in str(caught.value)
    assert "\n" not in str(caught.value)


def test_sidecars_are_found_by_either_name(tmp_path: Path) -> None:
    for name in ("a.mp4", "b.mkv", "lone.txt"):
        (tmp_path / name).touch()
    assert find_sidecar(tmp_path / "a.mp4") is None
    short = write(tmp_path / "a.json", {})
    assert find_sidecar(tmp_path / "a.mp4") == short
    long = write(tmp_path / "a.mp4.json", {})
    assert find_sidecar(tmp_path / "a.mp4") == long
    assert is_sidecar(short)
    assert is_sidecar(long)
    assert not is_sidecar(tmp_path / "a.mp4")
    assert not is_sidecar(write(tmp_path / "stray.json", {}))
