"""What is rendered parses, and says what was described: bash, shellcheck, YAML, Kubernetes."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from animatrix_data.settings import build
from animatrix_jax import cli
from animatrix_jax.jobs import launch
from animatrix_jax.jobs.launch_description import TARGETS, Description, check_target
from animatrix_jax.verbs import LAUNCHERS

SHELLS = ("local", "slurm", "tpu_vm", "xpk")
TPU = {
    "name": "studio",
    "config": "configs/studio/sft.py:i2v_a14b",
    "workdir": "/storage/runs/sft",
    "accelerator": "v5p:4x4x4",
    "image": "registry.example.com/animatrix:latest",
    "storage": "gs://some-bucket",
    "queue": "tpu",
    "zone": "europe-west4-b",
    "cluster": "pods",
}
GPU = TPU | {"accelerator": "h100:8", "nodes": 8}
SLURM = GPU | {"workdir": "/shared/runs/sft", "storage": "/shared"}
LOCAL = {"name": "pocket", "command": ["true"], "workdir": "runs/x", "accelerator": "cpu:4"}
JOBSET = {
    "type": "object",
    "required": ["apiVersion", "kind", "metadata", "spec"],
    "properties": {
        "apiVersion": {"const": "jobset.x-k8s.io/v1alpha2"},
        "kind": {"const": "JobSet"},
        "spec": {
            "type": "object",
            "additionalProperties": False,
            "properties": {
                "network": {
                    "additionalProperties": False,
                    "properties": {
                        "enableDNSHostnames": {"type": "boolean"},
                        "publishNotReadyAddresses": {"type": "boolean"},
                        "subdomain": {"type": "string"},
                    },
                },
                "failurePolicy": {
                    "additionalProperties": False,
                    "properties": {
                        "maxRestarts": {"type": "integer", "minimum": 0},
                        "rules": {
                            "items": {
                                "required": ["name", "action"],
                                "additionalProperties": False,
                                "properties": {
                                    "name": {"pattern": "^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$"},
                                    "action": {
                                        "enum": [
                                            "FailJobSet",
                                            "RestartJobSet",
                                            "RestartJobSetAndIgnoreMaxRestarts",
                                        ]
                                    },
                                    "onJobFailureReasons": {
                                        "items": {
                                            "enum": ["BackoffLimitExceeded", "PodFailurePolicy"]
                                        }
                                    },
                                    "targetReplicatedJobs": {"items": {"type": "string"}},
                                },
                            }
                        },
                    },
                },
                "replicatedJobs": {
                    "minItems": 1,
                    "items": {
                        "required": ["name", "template"],
                        "additionalProperties": False,
                        "properties": {
                            "name": {"type": "string"},
                            "replicas": {"type": "integer"},
                            "template": {"required": ["spec"]},
                        },
                    },
                },
            },
        },
    },
}


def described(values: dict[str, Any], **more: Any) -> Description:
    return build(Description, values | more, "description")


def check_shell(text: str, thorough: bool = True) -> None:
    done = subprocess.run(["bash", "-n"], input=text, text=True, capture_output=True)
    assert done.returncode == 0, done.stderr
    if thorough:
        places = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        program = shutil.which("shellcheck", path=places)
        assert program, "shellcheck is missing: make setup installs it"
        command = [program, "--shell=bash", "--severity=warning", "-"]
        done = subprocess.run(command, input=text, text=True, capture_output=True)
        assert done.returncode == 0, done.stdout + text


def check_jobset(text: str) -> dict[str, Any]:
    """The Job of a JobSet, checked against the official schemas; the rest against ours."""
    document = yaml.safe_load(text)
    jsonschema.validate(document, JOBSET)
    (replicated,) = document["spec"]["replicatedJobs"]
    job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "x"}}
    job["spec"] = replicated["template"]["spec"]
    kubernetes_validate.validate(job, "1.33", strict=True)
    return job["spec"]


def example(repository: Path, name: str) -> Path:
    return repository / "launch" / "examples" / f"{name}.toml"


@pytest.mark.parametrize(
    ("values", "targets"),
    [
        (LOCAL, ("local",)),
        (LOCAL | {"processes": 2, "directory": "a b"}, ("local",)),
        (LOCAL | {"accelerator": "h100:8", "processes": 2}, ("local",)),
        (LOCAL | {"accelerator": "v6e:2x4"}, ("local",)),
        (TPU, ("jobset", "tpu_vm", "xpk", "sky")),
        (
            TPU | {"spot": True, "priority": "high", "directory": "/a b"},
            ("jobset", "tpu_vm", "xpk"),
        ),
        (TPU | {"accelerator": "v6e:8x8", "wall_hours": 2}, ("jobset", "tpu_vm", "sky")),
        (GPU | {"environment": {"A": "x y"}}, ("jobset", "xpk", "sky")),
        (GPU | {"wall_hours": 0.5, "spot": True}, ("jobset", "sky")),
        (SLURM | {"wall_hours": 24, "priority": "long"}, ("slurm",)),
        (SLURM | {"image": "", "directory": "/shared/a b"}, ("slurm",)),
    ],
)
def test_every_text_parses(values: dict[str, Any], targets: tuple[str, ...]) -> None:
    for target in targets:
        text = launch.render(described(values), target)
        if target in SHELLS:
            check_shell(text)
        elif target == "jobset":
            check_jobset(text)
        else:
            task = yaml.safe_load(text)
            assert set(task) <= {"name", "num_nodes", "resources", "file_mounts", "run"}
            check_shell(task["run"])
        assert text.endswith("\n") and "{{" not in text and "\n\n\n" not in text


def test_examples_are_what_they_are_said_to_be(repository: Path) -> None:
    machines = {}
    for path in sorted((repository / "launch" / "examples").iterdir()):
        description = launch.load_description(path)
        target = {"cpu": "local", "gpu": "slurm", "tpu": "jobset"}[description.machine.kind]
        assert launch.render(description, target)
        machines[path.stem] = (description.machine.hosts, description.machine.devices)
        config = description.config.split(":")[0]
        assert (repository / config).is_file()
    assert machines == {
        "pocket_local": (1, 4),
        "studio_h100": (8, 8),
        "studio_v5p_64": (16, 4),
        "studio_v5p_256": (64, 4),
    }


@pytest.mark.parametrize(
    ("accelerator", "hosts", "chips", "label"),
    [
        ("v5e:1x1", 1, 1, "tpu-v5-lite-podslice"),
        ("v5e:2x4", 1, 8, "tpu-v5-lite-podslice"),
        ("v5e:16x16", 64, 4, "tpu-v5-lite-podslice"),
        ("v5p:2x2x1", 1, 4, "tpu-v5p-slice"),
        ("v5p:2x2x2", 2, 4, "tpu-v5p-slice"),
        ("v5p:4x4x4", 16, 4, "tpu-v5p-slice"),
        ("v5p:4x8x8", 64, 4, "tpu-v5p-slice"),
        ("v6e:4x4", 4, 4, "tpu-v6e-slice"),
    ],
)
def test_a_jobset_has_a_pod_a_host_with_all_its_chips(
    accelerator: str, hosts: int, chips: int, label: str
) -> None:
    job = check_jobset(launch.render(described(TPU, accelerator=accelerator), "jobset"))
    pod = job["template"]["spec"]
    assert (job["completions"], job["parallelism"]) == (hosts, hosts)
    assert pod["containers"][0]["resources"]["limits"] == {"google.com/tpu": chips}
    assert pod["nodeSelector"] == {
        "cloud.google.com/gke-tpu-accelerator": label,
        "cloud.google.com/gke-tpu-topology": accelerator.split(":")[1],
    }


def test_a_jobset_of_gpus_names_its_coordinator() -> None:
    text = launch.render(described(GPU, max_restarts=7, wall_hours=1), "jobset")
    job, document = check_jobset(text), yaml.safe_load(text)
    (container,) = job["template"]["spec"]["containers"]
    variables = {entry["name"]: entry for entry in container["env"]}
    (replicated,) = document["spec"]["replicatedJobs"]
    first = (
        f"{document['metadata']['name']}-{replicated['name']}-0-0.{document['metadata']['name']}"
    )
    assert variables["ANIMATRIX_COORDINATOR"]["value"] == f"{first}:{launch.PORT}"
    assert variables["ANIMATRIX_PROCESSES"]["value"] == "8"
    assert "job-completion-index" in str(variables["ANIMATRIX_PROCESS"]["valueFrom"])
    assert container["resources"]["limits"] == {"nvidia.com/gpu": 8}
    assert document["spec"]["failurePolicy"]["maxRestarts"] == 7
    assert job["backoffLimit"] == 0
    assert job["template"]["spec"]["terminationGracePeriodSeconds"] == launch.SAVE_SECONDS
    labels = document["metadata"]["labels"]
    assert labels["kueue.x-k8s.io/queue-name"] == "tpu"
    assert labels["kueue.x-k8s.io/max-exec-time-seconds"] == "3600"


def test_slurm_asks_for_what_is_described() -> None:
    text = launch.render(described(SLURM, wall_hours=24), "slurm")
    directives = dict(re.findall(r"^#SBATCH --([a-z-]+)=(.*)$", text, re.MULTILINE))
    assert (directives["nodes"], directives["gpus-per-node"]) == ("8", "8")
    assert (directives["ntasks-per-node"], directives["time"]) == ("1", "1440")
    assert directives["signal"] == f"B:USR1@{launch.SAVE_SECONDS}"
    assert directives["partition"] == "tpu"
    assert "--container-image='registry.example.com#animatrix:latest'" in text
    assert "--container-mounts=/shared:/shared" in text


PRINTED = st.text(
    st.one_of(
        st.sampled_from(list(" \"'$\\`!*#{}%&|;<>()~=:-")),
        st.characters(exclude_categories=["C", "Z"]),
    ),
    max_size=12,
)
NAMES = st.from_regex("[a-z]([-a-z0-9]{0,12}[a-z0-9])?", fullmatch=True)
VARIABLES = st.from_regex("TEST_[A-Z]{1,6}", fullmatch=True)


@st.composite
def descriptions(draw: st.DrawFn) -> tuple[Description, str]:
    """A description, and a target that can start it."""
    target = draw(st.sampled_from(TARGETS))
    base: dict[str, Any] = {"local": LOCAL, "slurm": SLURM}.get(target, TPU)
    if target in ("jobset", "xpk", "sky"):
        base = draw(st.sampled_from([TPU, GPU]))
    values = {key: value for key, value in base.items() if key not in ("config", "command")}
    values["name"] = draw(NAMES)
    words = PRINTED
    if target == "xpk":
        words = PRINTED.map(lambda text: re.sub(r"['\"\\]", "", text))
    values["command"] = ["printf", "%s\\0", *draw(st.lists(words, max_size=3))]
    if target == "xpk":
        values["command"][1] = "%s"
    values["environment"] = draw(st.dictionaries(VARIABLES, words, max_size=3))
    folder = draw(PRINTED.filter(lambda text: text not in ("", ".", "..") and "/" not in text))
    values["workdir"] = f"{values.get('storage') and '/shared'}/{folder}"
    if values.get("storage", "").startswith("gs://"):
        values["workdir"] = f"/storage/{folder}"
    values["max_restarts"] = draw(st.integers(0, 99))
    if target not in ("xpk", "slurm") and draw(st.booleans()):
        values["wall_hours"] = draw(st.floats(0.1, 100))
    return build(Description, values, "description"), target


def in_shell(lines: str, description: Description, command: str) -> tuple[list[str], list[str]]:
    """The variables and the words that bash sees after some rendered lines."""
    show = f"{command}\nprintf '%s\\0' --"
    for key in description.environment:
        show += f' "${{{key}}}"'
    # Zero bytes cannot be in words: they part them.
    done = subprocess.run(["bash", "-c", f"{lines}\n{show}"], capture_output=True, check=True)
    parts = done.stdout.decode().split("\0")[:-1]
    middle = len(parts) - len(description.environment) - 1
    return parts[middle + 1 :], parts[:middle]


def halved(text: str) -> str:
    """What Kubernetes makes of a text with dollars; it must hold no reference $(NAME)."""
    assert "$(" not in text.replace("$$", "")
    return text.replace("$$", "$")


@given(descriptions())
def test_whatever_is_described_arrives_as_it_is(case: tuple[Description, str]) -> None:
    description, target = case
    check_target(description, target)
    text = launch.render(description, target)
    values, words = list(description.environment.values()), list(description.words)
    if target == "jobset":
        (container,) = check_jobset(text)["template"]["spec"]["containers"]
        variables = {entry["name"]: halved(entry.get("value", "")) for entry in container["env"]}
        assert [variables[key] for key in description.environment] == values
        assert [halved(word) for word in container["command"]] == words
        return
    if target == "sky":
        text = yaml.safe_load(text)["run"]
    check_shell(text, thorough=False)
    exports = "\n".join(re.findall(r"^ *export TEST_.*$", text, re.MULTILINE))
    if target in ("local", "slurm"):
        line = re.findall(r"^command=\(.*\)$", text, re.MULTILINE)[0]
        assert in_shell(f"{exports}\n{line}", description, "printf '%s\\0' \"${command[@]}\"") == (
            values,
            words,
        )
    elif target == "sky":
        line = re.findall(r"^(?:exec|timeout .*? [0-9]+) (printf .*)$", text, re.MULTILINE)[0]
        assert in_shell(exports, description, f"printf '%s\\0' {line}") == (values, words)
    elif target == "xpk":
        body = re.findall(r"^COMMAND\n\)$|^(.*ANIMATRIX_PROCESSES.*)$", text, re.MULTILINE)[0]
        before, _, line = halved(body).partition(" && exec ")
        assert in_shell(before, description, f"printf '%s\\0' {line}") == (values, words)
    else:
        line = re.findall(rf"^    {re.escape(description.image)} (.*)$", text, re.MULTILINE)[0]
        assert shlex.split(line) == words
        found = re.findall(r"^    --env (.*TEST_.*) \\$", text, re.MULTILINE)
        pairs = [f"{key}={value}" for key, value in description.environment.items()]
        shown = f"printf '%s\\0' {' '.join(found)}" if found else ":"
        assert in_shell("", description, shown)[1] == pairs


def test_the_text_goes_where_it_is_asked_for(
    repository: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = str(example(repository, "studio_h100"))
    assert cli.main(["launch", path, "--to", "slurm"]) == 0
    printed = capsys.readouterr().out
    out = tmp_path / "deep" / "job.sh"
    assert cli.main(["launch", path, "--to", "slurm", "--out", str(out)]) == 0
    assert out.read_text() == printed and capsys.readouterr().out == ""
    assert cli.main(["launch", path, "--to", "slurm", "--run"]) == 2
    assert "only local can be run from here" in capsys.readouterr().err


def test_every_target_can_be_named() -> None:
    assert LAUNCHERS == TARGETS == tuple(launch.TEMPLATES)
    for template in launch.TEMPLATES.values():
        assert (launch.template_folder() / template).is_file()
