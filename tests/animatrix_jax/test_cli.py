import importlib
import importlib.util
import inspect
import os
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from animatrix_data.sampling.tiers import STAGE_TIERS
from animatrix_jax import cli, verbs
from animatrix_jax.convert.layouts import LAYOUTS
from animatrix_jax.convert.lora import STYLES
from animatrix_jax.diffusion.schedule import GRIDS
from animatrix_jax.diffusion.solvers import SOLVERS
from animatrix_jax.jobs import launch_description, plan
from animatrix_jax.verbs import METAVARS, VERBS, Verb

CONFIG = """
from ml_collections import ConfigDict


def get_config(size="small"):
    return ConfigDict(
        {
            "steps": 10,
            "size": size,
            "optimizer": {"peak_lr": 1e-3, "clip": None, "betas": [0.9, 0.99], "ema": True},
            "stages": [{"steps": 1}],
        }
    )
"""


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What a job was called with: every job is replaced by one that only writes that down."""
    received: list[dict[str, Any]] = []
    for verb in VERBS:
        job = ModuleType(verb.name)
        job.run = lambda **arguments: received.append(arguments)  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, f"animatrix_jax.jobs.{verb.name}", job)
    return received


@pytest.fixture
def config_file(tmp_path: Path) -> Path:
    path = tmp_path / "config.py"
    path.write_text(CONFIG)
    return path


def raising(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    def run(**_: Any) -> None:
        raise error

    job = ModuleType("animatrix_jax.jobs.evaluate")
    job.run = run  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "animatrix_jax.jobs.evaluate", job)


def test_flags_reach_the_job_as_plain_values(calls: list[dict[str, Any]]) -> None:
    line = "generate --model=pocket --out clip.mp4 --steps 20 --guidance_tag=4,3 --guidance_text 3"
    assert cli.main([*line.split(), "--text", "a girl waits", "--seed", "-1"]) == 0
    (arguments,) = calls
    assert arguments == {
        "model": "pocket",
        "out": "clip.mp4",
        "directive": None,
        "tags": None,
        "text": "a girl waits",
        "unconditional": False,
        "negative": None,
        "reference": None,
        "steps": 20,
        "guidance_text": 3.0,
        "guidance_tag": (4.0, 3.0),
        "solver": None,
        "grid": None,
        "shift": None,
        "tile": None,
        "scale": 1,
        "mesh": None,
        "offload": False,
        "seed": -1,
        "frames": None,
        "size": None,
    }


def test_choices_are_what_the_rooms_know() -> None:
    assert set(verbs.SOLVERS) == set(SOLVERS)
    assert set(verbs.GRIDS) == set(GRIDS)
    assert set(verbs.LAYOUTS) == set(LAYOUTS)
    assert set(verbs.LORA_STYLES) == set(STYLES)
    assert set(verbs.STAGES) == set(STAGE_TIERS)
    assert verbs.LAUNCHERS == launch_description.TARGETS
    assert verbs.PURPOSES == plan.PURPOSES


def test_a_flag_may_have_another_name_than_its_argument(calls: list[dict[str, Any]]) -> None:
    assert cli.main(["convert", "--from=wan", "--to", "diffusers", "model", "out"]) == 0
    assert (calls[0]["source"], calls[0]["out"]) == ("model", "out")
    assert (calls[0]["from_layout"], calls[0]["to"]) == ("wan", "diffusers")
    assert "from" not in calls[0]


def test_positional_arguments_may_stand_before_or_after_flags(calls: list[dict[str, Any]]) -> None:
    assert cli.main(["ingest", "videos", "--out", "corpus"]) == 0
    assert cli.main(["ingest", "--out", "corpus", "videos"]) == 0
    assert calls[0] == calls[1]
    assert (calls[0]["folder"], calls[0]["out"]) == ("videos", "corpus")


def test_a_config_may_become_a_dataclass_or_be_left_out(
    calls: list[dict[str, Any]], config_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    @dataclass(frozen=True)
    class Floor:
        steps: int
        optimizer: Any = None
        size: str = ""
        stages: tuple[dict[str, int], ...] = ()

    home = ModuleType("home_of_settings")
    home.Floor = Floor  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "home_of_settings", home)
    verb = cli.find_verb("ingest")
    assert verb.config is not None and verb.config.argument == "settings"
    config = replace(verb.config, becomes="home_of_settings.Floor")
    monkeypatch.setattr(cli, "VERBS", (replace(verb, config=config),))
    assert cli.main(["ingest", "videos", "--out", "corpus"]) == 0
    assert cli.main(
        ["ingest", "videos", "--out", "o", "--config", str(config_file), "--config.steps=3"]
    ) == 0  # fmt: skip
    assert cli.main(["ingest", "videos", "--out", "corpus", "--config.steps=3"]) == 2
    assert calls[0]["settings"] is None
    assert isinstance(calls[1]["settings"], Floor)
    assert (calls[1]["settings"].steps, calls[1]["settings"].stages) == (3, ({"steps": 1},))


def test_config_with_overrides(calls: list[dict[str, Any]], config_file: Path) -> None:
    line = f"train --config {config_file}:large --workdir w --dry_run --config.steps=50"
    more = ["--config.optimizer.peak_lr", "1", "--noconfig.optimizer.ema"]
    more += ["--config.optimizer.clip=2.5", "--config.optimizer.betas=(0.5, 0.6)"]
    assert cli.main([*line.split(), *more]) == 0
    config = calls[0]["config"]
    assert (config.steps, config.size, config.optimizer.peak_lr) == (50, "large", 1.0)
    assert (config.optimizer.ema, config.optimizer.clip) == (False, 2.5)
    assert config.optimizer.betas == (0.5, 0.6)
    assert (calls[0]["workdir"], calls[0]["dry_run"]) == ("w", True)


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("generat", "animatrix: unknown verb 'generat': did you mean generate"),
        ("--steps 3", "unknown flag before the verb '--steps'"),
        ("generate --modl x", "unknown flag --modl: did you mean --model?"),
        ("generate --guidance-tag 2", "unknown flag --guidance-tag: did you mean --guidance_tag"),
        ("generate --steps abc", "--steps takes a whole number, not 'abc'"),
        ("generate --steps 1.5", "--steps takes a whole number, not '1.5'"),
        ("generate --steps", "--steps needs a value"),
        ("generate --guidance_tag 1,2,3", "--guidance_tag takes a number or two (high,low)"),
        ("generate --solver eulr", "--solver takes one of unipc, dpmpp, euler, not 'eulr'"),
        ("generate --out x.mp4", "--model is missing: model folder"),
        ("generate --model x --out y z", "nothing is expected where 'z' stands"),
        ("generate --out y model", "nothing is expected where 'model' stands: did you mean --mod"),
        ("ingest --out x", "FOLDER is missing"),
        ("train --workdir w", "--config is missing"),
        ("train --config", "--config needs a value"),
        ("train --config NEAR --workdir w", "conf.py is no config file: did you mean"),
        ("train --config FILE:a:b", "--workdir is missing"),
        ("train --config FILE --config.stps=1", "config has no key 'stps': did you mean steps"),
        ("train --config FILE --config.steps=many", "--config.steps takes a whole number, not 'ma"),
        ("train --config FILE --config.clip=1", "did you mean config.optimizer.clip?"),
        ("train --config FILE --config.optimizer.lr=1", "config.optimizer has no key 'lr'"),
        ("train --config FILE --config.optimizer.ema=x", "ema takes true or false, not 'x'"),
        ("train --config FILE --config.optimizer=4", "takes a group of settings"),
        ("train --config FILE --config.optimizer.betas=(1,", "betas takes a tuple"),
        ("train --config FILE --config.steps.a=1", "config.steps has no key 'a': it is 10"),
        ("train --config FILE --config.=1", "--config. is no config key"),
        ("train --config FILE --config.stages[3]=1", "config.stages has no key 3"),
        ("train --config FILE --workdr w", "unknown flag --workdr: did you mean --workdir?"),
    ],
)
def test_a_mistake_is_one_sentence_and_status_2(
    line: str,
    sentence: str,
    config_file: Path,
    calls: list[dict[str, Any]],
    capsys: pytest.CaptureFixture[str],
) -> None:
    near_file = str(config_file).replace("config.py", "conf.py")
    words = line.replace("FILE", str(config_file)).replace("NEAR", near_file).split()
    assert cli.main(words) == 2
    out, err = capsys.readouterr()
    assert sentence in err
    assert err.count("\n") == 1 and err.startswith("animatrix") and out == ""
    assert calls == []


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("def get_config(:", "line 1: invalid syntax"),
        ("x = 1", "has no function get_config()"),
        ("def get_config(): return {}", "must return a ConfigDict"),
        ("def get_config(size): return {}", "needs an argument after ':'"),
        ("def get_config(): raise ValueError('no such size')", "train: no such size\n"),
    ],
)
def test_a_broken_config_file_is_one_sentence(
    content: str, sentence: str, config_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config_file.write_text(content)
    assert cli.main(["train", "--config", str(config_file), "--workdir", "w"]) == 2
    err = capsys.readouterr().err
    assert sentence in err and err.count("\n") == 1


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (ValueError("two\n lines"), "animatrix evaluate: two lines"),
        (FileNotFoundError(2, "No such file or directory", "a.mp4"), "a.mp4: no such file or dir"),
        (PermissionError(13, "Permission denied", "/x"), "/x: permission denied"),
        (IsADirectoryError("out is a folder"), "evaluate: out is a folder"),
        (ValueError(), "ValueError"),
    ],
)
def test_what_a_job_says_of_its_input_is_one_line(
    error: Exception,
    sentence: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    raising(monkeypatch, error)
    assert cli.main(["evaluate", "--clips", "a", "--out", "b"]) == 2
    out, err = capsys.readouterr()
    assert sentence in err and err.count("\n") == 1 and out == ""


def test_a_foreign_error_says_how_to_see_its_place(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    raising(monkeypatch, ValueError("broken"))
    line = ["evaluate", "--clips", "a", "--out", "b"]
    assert cli.main(line) == 2
    assert capsys.readouterr().err.endswith("broken (ANIMATRIX_TRACEBACK=1 shows where)\n")
    monkeypatch.setenv("ANIMATRIX_TRACEBACK", "1")
    with pytest.raises(ValueError, match="broken"):
        cli.main(line)


def test_a_programming_mistake_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    raising(monkeypatch, TypeError("ours to mend"))
    with pytest.raises(TypeError):
        cli.main(["evaluate", "--clips", "a", "--out", "b"])


def test_interrupt_is_130(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    raising(monkeypatch, KeyboardInterrupt())
    assert cli.main(["evaluate", "--clips", "a", "--out", "b"]) == 130
    assert capsys.readouterr().err == "animatrix: interrupted\n"


@pytest.mark.parametrize("line", [[], ["--help"], *([verb.name, "--help"] for verb in VERBS)])
def test_help_is_short_and_names_everything(
    line: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(line) == (0 if line else 2)
    text = capsys.readouterr().out
    names = [verb.name for verb in VERBS]
    if len(line) == 2:
        verb = cli.find_verb(line[0])
        names = [f"--{flag.name}" for flag in verb.flags] + [verb.example]
    assert all(name in text for name in names)
    assert len(text.splitlines()) <= 40
    assert all(len(row) <= cli.COLUMNS for row in text.splitlines())


def test_help_imports_no_heavy_module(repository: Path) -> None:
    code = (
        "import sys; from animatrix_jax import cli; cli.main(['generate', '--help']);"
        "print({'jax', 'numpy', 'absl', 'flax', 'grain'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=repository, env=os.environ, capture_output=True, text=True
    )
    assert done.stdout.endswith("set()\n"), done.stdout + done.stderr


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb.name)
def test_a_verb_says_what_its_job_takes(verb: Verb) -> None:
    """The flags are keyword arguments of the job, with its defaults; the others may be left out."""
    if importlib.util.find_spec(f"animatrix_jax.jobs.{verb.name}") is None:
        pytest.skip("its job has not landed")
    parameters = inspect.signature(
        importlib.import_module(f"animatrix_jax.jobs.{verb.name}").run
    ).parameters
    declared = {flag.keyword: flag for flag in (*verb.arguments, *verb.flags)}
    wanted = set(declared) | ({verb.config.argument} if verb.config else set())
    assert wanted <= set(parameters)
    for name in set(parameters) - wanted:
        assert parameters[name].default is not inspect.Parameter.empty, name
    for name, flag in declared.items():
        default = parameters[name].default
        if flag.required or flag in verb.arguments:
            assert default is inspect.Parameter.empty, name
        else:
            assert default == flag.default, name
        assert flag.kind in METAVARS
