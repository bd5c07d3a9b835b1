"""The house's law: imports run one way only, and never in a circle."""

import ast
import graphlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

# Rooms of animatrix_jax, top to bottom: a file imports from its own room and from floors below.
FLOORS = (
    ("cli",),
    ("jobs", "serving"),
    ("evaluation",),
    ("training", "inference"),
    ("runtime",),
    ("convert", "objectives"),
    ("checkpoint",),
    ("models", "parallel", "diffusion"),
    ("animatrix_kernels", "animatrix_data"),
)
HEIGHTS = {room: -number for number, rooms in enumerate(FLOORS) for room in rooms}
FILES_OF_CLI = ("cli", "verbs", "flag_parsing")
FRONT_DOOR = "animatrix_jax"
PACKAGES = {"animatrix_kernels": "kernels", "animatrix_data": "data", "animatrix_jax": "."}
OTHER_CODE = ("configs", "launch", "kernels/benchmarks", "data/benchmarks", "benchmarks")
FOREIGN = {"torch", "torchvision", "torchaudio", "diffusers", "tensorflow"}
# A benchmark times what a user would pick instead: the one file that may know a foreign framework.
RIVAL = "kernels/benchmarks/side_by_side/torch_sdpa.py"
# What an installation may lack, and the one package of ours that may need it.
OPTIONAL = {"tensorflow_datasets": "animatrix_data.tfds"}
OF_JAX = {"jax", "jaxlib", "flax", "optax", "orbax", "chex"}


@dataclass(frozen=True)
class Import:
    """One import: the dotted name that a file at `line` asks for, `lazy` inside a function."""

    name: str
    line: int
    lazy: bool


@dataclass(frozen=True)
class Module:
    """One file: its dotted name, whether it is a package's __init__, its imports."""

    name: str
    path: str
    is_package: bool
    imports: tuple[Import, ...]


def imports_of(tree: ast.AST, module: str, is_package: bool) -> Iterator[Import]:
    """Every import of a file: at the top, in functions, under TYPE_CHECKING, import_module."""
    here = module.split(".") if is_package else module.split(".")[:-1]
    lazy = {
        id(inner)
        for outer in ast.walk(tree)
        if isinstance(outer, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        for inner in ast.walk(outer)
    }
    for node in ast.walk(tree):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = node.module.split(".") if node.module else []
            if node.level:
                base = here[: len(here) - node.level + 1] + base
            names = [".".join([*base, alias.name]) for alias in node.names]
        elif isinstance(node, ast.Call) and node.args:
            called = ast.unparse(node.func).split(".")[-1]
            if called in ("import_module", "__import__"):
                first = node.args[0]
                if isinstance(first, ast.JoinedStr) and first.values:
                    first = first.values[0]
                if isinstance(first, ast.Constant) and isinstance(first.value, str):
                    names = [first.value.rstrip(".")]
        for name in names:
            yield Import(name, getattr(node, "lineno", 0), id(node) in lazy)


def read_modules(root: Path) -> dict[str, Module]:
    """All files of the three packages under `root`, by dotted name."""
    modules = {}
    for package, folder in PACKAGES.items():
        for path in sorted((root / folder / package).rglob("*.py")):
            parts = path.relative_to(root / folder).with_suffix("").parts
            is_package = parts[-1] == "__init__"
            name = ".".join(parts[:-1] if is_package else parts)
            tree = ast.parse(path.read_text(encoding="utf-8"))
            modules[name] = Module(
                name, str(path), is_package, tuple(imports_of(tree, name, is_package))
            )
    return modules


def resolve(name: str, modules: Mapping[str, Module]) -> str | None:
    """The file of ours that a dotted name leads to: the name itself or its nearest parent."""
    while name not in modules:
        name, _, last = name.rpartition(".")
        if not last or not name:
            return None
    return name


def room(module: str) -> str:
    """The package, or the room of animatrix_jax, that a module stands in."""
    package, *rest = module.split(".")
    if package != "animatrix_jax" or not rest:
        return package
    return "cli" if rest[0] in FILES_OF_CLI else rest[0]


def sees(source: str, target: str) -> bool:
    """Whether the law lets room `source` import from room `target`."""
    return source == target or HEIGHTS[source] > HEIGHTS.get(target, 1)


def within(name: str, *packages: str) -> bool:
    """Whether a dotted name is one of some packages or lies in it."""
    return any(f"{name}.".startswith(f"{package}.") for package in packages)


def violations(root: Path) -> list[str]:
    """What breaks the law under `root`, a sentence each."""
    modules = read_modules(root)
    found = []
    for module in modules.values():
        source = room(module.name)
        if source not in HEIGHTS and source != FRONT_DOOR:
            found.append(f"{module.path}: the room {source!r} stands on no floor")
            continue
        for entry in module.imports:
            place, top = f"{module.path}:{entry.line}", entry.name.split(".")[0]
            target = resolve(entry.name, modules)
            if top in FOREIGN:
                found.append(f"{place}: {top} is imported nowhere")
            if top in OF_JAX and source == "animatrix_data":
                found.append(f"{place}: animatrix_data never imports {top}")
            found += [
                f"{place}: {entry.name} is optional, only {home} knows {library}"
                for library, home in OPTIONAL.items()
                if within(entry.name, library, home) and not within(module.name, home)
            ]
            if top == "flax" and source != "models":
                found.append(f"{place}: only models knows flax")
            if target is None or target == module.name:
                continue
            if source == FRONT_DOOR:
                if not entry.lazy:
                    found.append(f"{place}: the front door imports lazily, not {target}")
            elif not sees(source, room(target)):
                found.append(f"{place}: {source} must not import {target}")
    for folder in OTHER_CODE:
        for path in sorted((root / folder).rglob("*.py")):
            if path == root / RIVAL:
                continue
            for entry in imports_of(ast.parse(path.read_text(encoding="utf-8")), path.stem, False):
                if entry.name.split(".")[0] in FOREIGN:
                    found.append(f"{path}:{entry.line}: {entry.name} is imported nowhere")
    return found + circles(modules)


def circles(modules: Mapping[str, Module]) -> list[str]:
    """The first circle of imports, if there is one."""
    graph = {
        module.name: {
            target
            for entry in module.imports
            if (target := resolve(entry.name, modules)) not in (None, module.name)
        }
        for module in modules.values()
        if room(module.name) != FRONT_DOOR
    }
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        return ["imports go in a circle: " + " <- ".join(error.args[1])]
    return []


def test_the_law_holds(repository: Path) -> None:
    assert len(read_modules(repository)) > 20
    assert violations(repository) == []


def plant(root: Path, files: Mapping[str, str]) -> None:
    """Writes a made-up tree: path to content, with the __init__ files on the way."""
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
        for folder in path.relative_to(root).parents:
            if any(part in PACKAGES for part in folder.parts):
                (root / folder / "__init__.py").touch()


LAWFUL = {
    "animatrix_jax/__init__.py": "def __getattr__(name):\n    from animatrix_jax import cli\n",
    "animatrix_jax/cli.py": "import importlib\nimportlib.import_module(f'animatrix_jax.jobs.{x}')",
    "animatrix_jax/jobs/train.py": "from animatrix_jax.training import loop\nimport animatrix_data",
    "animatrix_jax/jobs/run.py": "from . import train\nfrom ..runtime import load\nimport jax\n",
    "animatrix_jax/serving/app.py": "from animatrix_jax.inference import pipeline\n",
    "animatrix_jax/training/loop.py": "from animatrix_jax.training.state import State\n",
    "animatrix_jax/training/state.py": "from animatrix_jax.models.dit import Block\nimport optax\n",
    "animatrix_jax/runtime/load.py": "import animatrix_jax.checkpoint.folder\n",
    "animatrix_jax/checkpoint/folder.py": "import os\n",
    "animatrix_jax/objectives/flow.py": "import animatrix_jax.diffusion.schedule\n",
    "animatrix_jax/diffusion/schedule.py": "import jax\n",
    "animatrix_jax/inference/pipeline.py": "from animatrix_jax.runtime.load import x\n",
    "animatrix_jax/models/dit.py": "import flax\nfrom animatrix_kernels import api\n",
    "kernels/animatrix_kernels/api.py": "import jax\n",
    "data/animatrix_data/tags.py": "import numpy\n",
    "data/animatrix_data/tfds/builder.py": "import tensorflow_datasets\n",
    "data/animatrix_data/tfds/__init__.py": "from animatrix_data.tfds.builder import Builder\n",
}


def test_a_lawful_tree_passes(tmp_path: Path) -> None:
    plant(tmp_path, LAWFUL)
    assert violations(tmp_path) == []


@pytest.mark.parametrize(
    ("path", "content", "sentence"),
    [
        ("animatrix_jax/models/a.py", "import animatrix_jax.training.loop", "models must not"),
        ("animatrix_jax/models/a.py", "from ..jobs import train", "models must not import"),
        (
            "animatrix_jax/training/a.py",
            "def f():\n    from animatrix_jax.inference import pipeline",
            "training must not import animatrix_jax.inference.pipeline",
        ),
        (
            "animatrix_jax/inference/a.py",
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n"
            "    from animatrix_jax.training.state import State",
            "inference must not import animatrix_jax.training.state",
        ),
        ("animatrix_jax/diffusion/a.py", "import animatrix_jax.models.dit", "diffusion must not"),
        ("animatrix_jax/checkpoint/a.py", "import animatrix_jax.objectives.flow", "checkpoint mus"),
        ("animatrix_jax/objectives/a.py", "import flax.linen", "only models knows flax"),
        ("animatrix_jax/runtime/a.py", "import animatrix_jax", "runtime must not import anim"),
        ("animatrix_jax/runtime/a.py", "import animatrix_jax.cli", "runtime must not import"),
        (
            "animatrix_jax/runtime/a.py",
            "import importlib\nimportlib.import_module('animatrix_jax.jobs.train')",
            "runtime must not import animatrix_jax.jobs.train",
        ),
        ("animatrix_jax/attic/a.py", "", "the room 'attic' stands on no floor"),
        ("animatrix_jax/jobs/a.py", "import animatrix_jax.serving.app", "jobs must not import"),
        ("animatrix_jax/runtime/a.py", "def f():\n    import torch", "torch is imported nowhere"),
        ("configs/pocket/a.py", "from diffusers import x", "is imported nowhere"),
        ("data/animatrix_data/a.py", "import jax.numpy as jnp", "never imports jax"),
        ("data/animatrix_data/a.py", "import animatrix_jax.cli", "animatrix_data must not"),
        ("data/animatrix_data/a.py", "import tensorflow_datasets as tfds", "is optional"),
        ("animatrix_jax/jobs/a.py", "from animatrix_data.tfds import Builder", "is optional"),
        ("data/animatrix_data/a.py", "import animatrix_kernels.api", "animatrix_data must not"),
        ("kernels/animatrix_kernels/a.py", "import animatrix_data", "animatrix_kernels must not"),
        ("animatrix_jax/__init__.py", "from animatrix_jax import cli", "the front door imports"),
        (
            "animatrix_jax/diffusion/schedule.py",
            "def f():\n    from animatrix_jax.diffusion.solver import x",
            "imports go in a circle",
        ),
    ],
)
def test_a_breach_is_found(tmp_path: Path, path: str, content: str, sentence: str) -> None:
    plant(tmp_path, LAWFUL | {"animatrix_jax/diffusion/solver.py": "from . import schedule\n"})
    plant(tmp_path, {path: content + "\n"})
    found = violations(tmp_path)
    assert found and all(sentence in breach for breach in found)


def test_a_circle_over_three_files_is_found(tmp_path: Path) -> None:
    ring = {f"data/animatrix_data/{a}.py": f"from animatrix_data import {b}\n" for a, b in
            [("a", "b"), ("b", "c"), ("c", "a")]}  # fmt: skip
    plant(tmp_path, ring)
    (found,) = violations(tmp_path)
    assert all(f"animatrix_data.{name}" in found for name in "abc")
