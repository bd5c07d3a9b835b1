"""A description is strict: what cannot be started is refused in a sentence."""

from pathlib import Path
from typing import Any

import pytest

from animatrix_data.settings import build
from animatrix_jax.jobs.launch_description import Description, check_target, load_description
from animatrix_jax.jobs.launch_machines import default_topology, parse_machine

BASE: dict[str, Any] = {
    "name": "x",
    "config": "c.py",
    "workdir": "/storage/x",
    "accelerator": "v5p:4x4x4",
    "storage": "gs://some-bucket",
    "image": "a/b:c",
    "zone": "z",
    "cluster": "c",
}
GPU = BASE | {"accelerator": "h100:8", "nodes": 2}
SHARED = GPU | {"storage": "/shared", "workdir": "/shared/x"}
LOCAL = {"name": "x", "config": "c.py", "workdir": "w", "accelerator": "cpu:4"}


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"acelerator": "cpu:1"}, "has no key 'acelerator': did you mean accelerator?"),
        ({"accelerator": "v5x:4x4"}, "accelerator cannot be 'v5x': did you mean"),
        ({"accelerator": "h100"}, "needs a number of devices after ':', as in h100:8"),
        ({"accelerator": "v5p:4x4x5"}, "v5p has no topology '4x4x5': did you mean 4x4x8 or 4x4x4"),
        ({"accelerator": "v5p:8x4x4"}, "v5p has no topology '8x4x4'"),
        ({"accelerator": "v6e:4x4x4"}, "v6e has no topology '4x4x4'"),
        ({"accelerator": "v5p:16x16x28"}, "v5p has no topology"),
        ({"nodes": 8}, "v5p:4x4x4 is 16 hosts of 4 chips, not 8 nodes"),
        ({"command": ["true"]}, "exactly one of config and command"),
        ({"config": ""}, "exactly one of config and command"),
        ({"name": "Upper"}, "name must be of lower-case letters"),
        ({"name": "x" * 41}, "name must be of lower-case letters"),
        ({"environment": {"A": "two\nlines"}}, "environment.A has a line break"),
        ({"config": "a\tb"}, "config has a line break"),
        ({"environment": {"A-B": ""}}, "'A-B': it is no name of a variable"),
        ({"environment": {"ANIMATRIX_PROCESS": "1"}}, "the launcher sets it"),
        ({"environment": {"A": 1}}, "environment.A must be a text, not 1"),
        ({"workdir": "gs://some-bucket/x"}, "workdir must be a folder"),
        ({"workdir": "/elsewhere"}, "workdir /elsewhere is not in /storage"),
        ({"workdir": "/storage/../x"}, "is not in /storage"),
        ({"storage": "shared"}, "storage must be a bucket, gs://NAME, or a whole path"),
        ({"storage": "gs://A B"}, "storage cannot be 'gs://A B'"),
        ({"image": "a b"}, "image cannot be 'a b'"),
        ({"queue": "a b"}, "queue cannot be 'a b': it is no name"),
        ({"max_restarts": -1}, "max_restarts must be 0 or more"),
        ({"wall_hours": 0}, "wall_hours must be from a minute to a year"),
    ],
)
def test_what_cannot_be_is_refused(change: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError) as refusal:
        build(Description, BASE | change, "description")
    assert sentence in str(refusal.value)


@pytest.mark.parametrize(
    ("values", "target", "sentence"),
    [
        (BASE, "slrum", "there is no target 'slrum': did you mean slurm?"),
        (BASE, "local", "local starts on one machine, not on 16 nodes"),
        (BASE | {"accelerator": "v5p:2x2x1"}, "local", "local mounts no bucket"),
        (LOCAL | {"accelerator": "h100:8", "processes": 3}, "local", "cannot share 8 GPUs evenly"),
        (LOCAL | {"accelerator": "v6e:2x4", "processes": 2}, "local", "belong to one process"),
        (LOCAL, "slurm", "cpu devices are for local"),
        (BASE, "slurm", "slurm starts on GPUs, not on v5p"),
        (GPU, "slurm", "slurm mounts no bucket"),
        (GPU | {"storage": ""}, "slurm", "slurm needs storage with an image"),
        (SHARED | {"storage": "/a,b", "workdir": "/a,b"}, "slurm", "it has a comma or colon"),
        (SHARED | {"processes": 16}, "slurm", "one process a node, 2 in all, not 16"),
        (SHARED, "jobset", "jobset mounts a bucket"),
        (SHARED, "sky", "sky mounts a bucket"),
        (BASE | {"image": ""}, "jobset", "jobset needs image, which the description lacks"),
        (BASE | {"wall_hours": 1.0}, "jobset", "jobset needs queue for wall_hours"),
        (GPU, "tpu_vm", "tpu_vm starts on TPUs, not on h100"),
        (BASE | {"zone": ""}, "tpu_vm", "tpu_vm needs zone"),
        (BASE | {"cluster": ""}, "xpk", "xpk needs cluster"),
        (BASE | {"wall_hours": 1.0}, "xpk", "xpk has no wall time"),
        (BASE | {"priority": "hihg"}, "xpk", "xpk has no priority 'hihg': did you mean high"),
        (BASE | {"environment": {"A": "it's"}}, "xpk", "neither quotes nor backslashes"),
        (GPU | {"accelerator": "a100-80gb:8"}, "xpk", "xpk has no a100-80gb:8"),
        (BASE | {"accelerator": "v5e:2x2"}, "xpk", "xpk has no v5e:2x2"),
        (BASE | {"accelerator": "v5p:4x4x16"}, "sky", "would get 4x8x8, not 4x4x16"),
    ],
)
def test_what_a_target_cannot_start_is_refused(
    values: dict[str, Any], target: str, sentence: str
) -> None:
    with pytest.raises(ValueError) as refusal:
        check_target(build(Description, values, "description"), target)
    assert sentence in str(refusal.value)


def test_a_file_that_is_missing_or_no_toml_is_named(tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    path.write_text("name = x")
    with pytest.raises(ValueError, match=r"run\.toml: this is no TOML"):
        load_description(path)
    with pytest.raises(FileNotFoundError, match=r"did you mean .*run\.toml"):
        load_description(tmp_path / "runs.toml")
    path.write_text('name = "x"')
    with pytest.raises(ValueError, match=r"run\.toml: description lacks the key 'workdir'"):
        load_description(path)


@pytest.mark.parametrize(
    ("accelerator", "name", "default"),
    [
        ("v5p:2x2x1", "v5p-8", "2x2x1"),
        ("v5p:2x4x4", "v5p-64", "2x4x4"),
        ("v5p:4x4x4", "v5p-128", "4x4x4"),
        ("v5p:4x4x8", "v5p-256", "4x4x8"),
        ("v5p:4x4x16", "v5p-512", "4x8x8"),
        ("v5p:8x8x8", "v5p-1024", "8x8x8"),
        ("v5e:4x8", "v5litepod-32", "4x8"),
        ("v6e:2x2", "v6e-4", "2x2"),
    ],
)
def test_cloud_names_count_cores(accelerator: str, name: str, default: str) -> None:
    machine = parse_machine(accelerator)
    assert (machine.cloud_type, default_topology(machine)) == (name, default)
