"""What README.md tells a newcomer to type must be understood as it stands there."""

import re
import shlex
from pathlib import Path

import pytest

from animatrix_data.procedural import DRAWABLE
from animatrix_data.procedural.sampler.shipped import MOVES, VOCABULARY
from animatrix_data.taxonomy import parse_directive, parse_tags
from animatrix_jax import cli
from animatrix_jax.flag_parsing import parse
from animatrix_jax.verbs import VERBS


def blocks(text: str, language: str) -> list[str]:
    fences = re.findall(r"^```(\w*)\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    return [content for name, content in fences if name == language]


def commands(text: str) -> list[list[str]]:
    """The words of every animatrix command in the README's shell blocks."""
    lines = "\n".join(blocks(text, "sh")).replace("\\\n", " ").splitlines()
    return [shlex.split(line)[1:] for line in lines if line.startswith("animatrix ")]


@pytest.fixture
def readme(repository: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(repository)
    return (repository / "README.md").read_text(encoding="utf-8")


def test_every_verb_has_an_example_that_parses(readme: str) -> None:
    shown = set()
    for verb, *arguments in commands(readme):
        values = parse(cli.find_verb(verb), arguments)
        shown.add(verb)
        if values.get("tags"):
            assert parse_tags(values["tags"]).tags
    assert {"draw", "ingest", "encode", "train", "generate", "evaluate"} <= shown


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb.name)
def test_the_example_of_each_help_parses(verb: cli.Verb, readme: str) -> None:
    command, name, *arguments = shlex.split(verb.example)
    assert (command, name) == ("animatrix", verb.name)
    assert parse(verb, arguments)


def test_the_tags_and_the_directive_shown_are_read(readme: str) -> None:
    tags, refused, directive = blocks(readme, "")
    assert len(parse_tags(tags).tags) == 12
    assert parse_directive(directive).summary == "A girl walks through the woods."
    sentence = refused.splitlines()[1].removeprefix("animatrix draw: ")
    with pytest.raises(ValueError, match=f"^{re.escape(sentence)}$"):
        parse_tags("VFX: Rane")


def test_targets_and_paths_that_are_named_exist(readme: str, repository: Path) -> None:
    makefile = (repository / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"`?make ([a-z]+)\b", readme):
        assert f"\n{target}:" in makefile, target
    for path in re.findall(r"`((?:[\w.]+/)+[\w.]*)`", readme):
        if path.split("/")[0] not in ("runs", ".venv"):
            assert (repository / path).exists(), path


def test_what_the_pocket_model_is_said_to_know_is_its_vocabulary(readme: str) -> None:
    text = " ".join(readme.lower().split()).replace(" lines", "").replace(" speed", "")
    names = [name for field in ("VideoStyle", "MotionStyle", "MotionType", "VFX")
             for name in VOCABULARY[field]]  # fmt: skip
    for name in [*names, *(movement for movement, _ in MOVES)]:
        assert name.lower().replace(" lines", "").replace(" speed", "") in text, name


def test_what_the_studio_is_said_to_draw_is_what_it_draws(repository: Path) -> None:
    text = (repository / "docs" / "studio.md").read_text(encoding="utf-8")
    rows = [line.strip("|").split("|") for line in text.splitlines() if line.startswith("| ")]
    rows = [row for row in rows if row[1].strip().isdigit()]
    for field in set(DRAWABLE) - {"MotionAmplitude", "MotionSpeed"}:
        lists = [row[1:3] for row in rows if row[0].split(",")[0].strip() == field]
        told = [name.strip() for _, names in lists for name in names.split(",")]
        assert sorted(told) == sorted(DRAWABLE[field])
        assert sum(int(count) for count, _ in lists) == len(DRAWABLE[field])
