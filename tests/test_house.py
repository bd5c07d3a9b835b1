"""What a newcomer's machine relies on: locks, the setup script, packaging."""

import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest


def pins(lock: Path) -> dict[str, str]:
    """Package to version of a compiled lock; every one of them must carry hashes."""
    found = {}
    for entry in re.split(r"\n(?=\S)", lock.read_text(encoding="utf-8")):
        if entry.startswith("#"):
            continue
        name, _, version = entry.split()[0].partition("==")
        assert version and "--hash=sha256:" in entry, entry
        found[name] = version
    return found


def asked_for(source: Path) -> set[str]:
    lines = (re.split(r"[#=<>;\[ ]", line)[0] for line in source.read_text().splitlines())
    return {line.lower().replace("_", "-") for line in lines if line and not line.startswith("-")}


def test_locks_pin_and_hash_what_is_asked_for(repository: Path) -> None:
    folder = repository / "requirements"
    base, dev = pins(folder / "base.txt"), pins(folder / "dev.txt")
    assert asked_for(folder / "base.in") <= set(base)
    assert asked_for(folder / "dev.in") | asked_for(folder / "tfds.in") <= set(dev)
    assert base.items() <= dev.items()
    assert asked_for(folder / "tpu.in") == set(pins(folder / "tpu.txt")) == {"libtpu"}


def test_the_tpu_compiler_is_never_importable(repository: Path) -> None:
    """Where libtpu can be imported, JAX searches a machine without a TPU for one, aloud."""
    for lock in ("base.txt", "dev.txt"):
        assert "libtpu" not in pins(repository / "requirements" / lock)


def test_locks_name_no_registry(repository: Path) -> None:
    for lock in (repository / "requirements").iterdir():
        text = lock.read_text(encoding="utf-8")
        assert "://" not in text and "\n--index" not in text and "find-links" not in text, lock


def run_setup(repository: Path, place: Path, python: str | None) -> subprocess.CompletedProcess:
    """Runs a copy of the setup script where `python3` is a script with this body."""
    (place / "requirements").mkdir()
    shutil.copy(repository / "requirements" / "setup.sh", place / "requirements")
    tools = place / "bin"
    tools.mkdir()
    for name in ("bash", "dirname", "id", "tail"):
        (tools / name).symlink_to(str(shutil.which(name)))
    if python is not None:
        (tools / "python3").write_text(f"#!{shutil.which('bash')}\n{python}\n")
        (tools / "python3").chmod(0o755)
    return subprocess.run(
        [tools / "bash", place / "requirements" / "setup.sh"],
        env={"PATH": str(tools)},
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize(
    ("python", "sentence"),
    [
        (
            "[[ $1 == --version ]] && { echo Python 3.9.2; exit; }; exit 1",
            "this machine has Python 3.9.2:",
        ),
        (None, "this machine has none:"),
        ("[[ $1 == -c ]]", "cannot make a virtual environment: install its venv module"),
    ],
)
def test_setup_says_in_one_sentence_what_is_missing(
    python: str | None, sentence: str, repository: Path, tmp_path: Path
) -> None:
    done = run_setup(repository, tmp_path, python)
    assert done.returncode == 2
    assert sentence in done.stderr and done.stderr.count("\n") == 1
    assert not (tmp_path / ".venv").exists()


def test_every_package_folder_is_a_package(repository: Path) -> None:
    """A folder with code but no __init__ would be left out of the distribution."""
    for package in ("kernels/animatrix_kernels", "data/animatrix_data", "animatrix_jax"):
        for file in (repository / package).rglob("*.py"):
            assert (file.parent / "__init__.py").is_file(), file


def test_the_project_asks_for_what_the_lock_is_made_of(repository: Path) -> None:
    project = tomllib.loads((repository / "pyproject.toml").read_text(encoding="utf-8"))
    dynamic = project["tool"]["setuptools"]["dynamic"]
    assert dynamic["dependencies"]["file"] == ["requirements/base.in"]
    assert dynamic["optional-dependencies"] == {"tfds": {"file": ["requirements/tfds.in"]}}
    oldest = project["project"]["requires-python"].removeprefix(">=")
    assert (repository / ".python-version").read_text().strip().startswith(oldest)
