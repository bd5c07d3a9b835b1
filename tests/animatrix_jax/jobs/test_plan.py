"""Plans of a tiny model for slices that are not there."""

import json
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import pytest
from ml_collections import ConfigDict

from animatrix_jax import cli
from animatrix_jax.convert.variants import T2V_A14B
from animatrix_jax.jobs import plan
from animatrix_jax.jobs.plan_estimate import Estimate, Memory, Seconds, link_seconds, shortage
from animatrix_jax.jobs.plan_machines import CHIPS, GIB, find_target
from animatrix_jax.jobs.plan_report import Planned, advice, table
from animatrix_jax.models.animatrix import AniMatrixConfig
from animatrix_jax.models.work import Work
from animatrix_jax.parallel.collectives import Collective
from animatrix_jax.parallel.mesh import MeshSettings, make_mesh
from animatrix_kernels import tpu_compiler

needs_libtpu = pytest.mark.skipif(
    not tpu_compiler.available(),
    reason="libtpu is not installed: `make setup` brings it on Linux for x86_64",
)


def tiny(recipe: str = "flow") -> ConfigDict:
    """An experiment whose parents and corpus are nowhere."""
    settings = {
        "corpus": "no/corpus",
        "cache": None,
        "vae": "no/vae",
        "text_encoder": "no/text",
        "variant": "pocket",
        "steps": 10,
        "batch": 4,
        "microbatches": None,
        "remat": "full",
        "dtype": "bfloat16",
        "transformer": {
            "dim": 128, "ffn_dim": 256, "heads": 2, "layers": 3, "text_length": 16,
            "patch": (1, 4, 4), "freq_dim": 64,
        },
        "tags": {"dim": 32, "heads": 2, "layers": 0, "adaln_rank": 8},
    }  # fmt: skip
    meshes = {"4": {"fsdp": 2, "context": 2}, "8": {"expert": 2, "fsdp": 4}}
    return ConfigDict({"recipe": recipe, "settings": settings, "meshes": meshes})


@needs_libtpu
def test_training_is_compiled_for_a_slice(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    report = plan.run(tiny(), "v5e:2x2", out=tmp_path / "plan.json")
    assert json.loads((tmp_path / "plan.json").read_text()) == json.loads(json.dumps(report))
    assert report["mesh"] == {"expert": 1, "data": 1, "fsdp": 2, "context": 2, "tensor": 1}
    assert report["tokens"] == 5 * 4 * 4 and report["microbatches"] == 1
    kinds = report["memory"]["kinds"]
    # Two moments a parameter.
    assert kinds["optimizer"] == pytest.approx(2 * kinds["parameters"], rel=1e-3)
    assert kinds["average"] == kinds["parameters"]
    assert report["fits"] and report["needed_bytes"] < 0.2 * GIB
    # Weights are gathered for every layer of both passes of both experts.
    assert report["moved"]["all-gather"] > 2 * kinds["parameters"]
    assert report["moved"]["all-to-all"] > 0
    assert report["seconds"]["compiler"] and 0 < report["mfu"] < 1
    assert "fits" in capsys.readouterr().out


@needs_libtpu
def test_sampling_is_compiled_for_one_chip(capsys: pytest.CaptureFixture[str]) -> None:
    report = plan.run(tiny(), "v5e:1", purpose="sampling", shape="9x32x64")
    assert (report["latents"], report["tokens"]) == ((3, 8, 16), 24)
    assert report["idle_bytes"] == report["memory"]["kinds"]["parameters"]
    assert report["fits"] and not report["offloads"] and "moved" in report
    assert "the idle expert" in capsys.readouterr().out


@needs_libtpu
def test_what_the_compiler_says_of_too_little_memory_is_read() -> None:
    sharding = jax.sharding.SingleDeviceSharding(tpu_compiler.topology("v5e:2x2")[0])
    large = jax.ShapeDtypeStruct((2**33,), jnp.float32, sharding=sharding)
    with pytest.raises(jax.errors.JaxRuntimeError) as raised:
        jax.jit(lambda x: x + 1).lower(large).compile()
    needed, has = shortage(str(raised.value)) or (0, 0)
    assert needed >= 32 * GIB and 15 * GIB < has <= 16 * GIB


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"topology": "v5q:2x2"}, "--topology cannot be 'v5q:2x2': did you mean v5"),
        ({"topology": "v5p:3x3x3"}, "v5p has no topology '3x3x3'"),
        ({"topology": "h100:many"}, "needs a number of GPUs, or NODESxGPUS"),
        ({"topology": "v5e:4x4"}, "the config has meshes of 4, 8 devices, and there are 16"),
        ({"topology": "v5e:2x2", "shape": "17"}, "--shape is FRAMESxHEIGHTxWIDTH"),
        ({"topology": "v5e:2x2", "shape": "18x64x64"}, "4n.1 frames, not 18"),
        ({"topology": "v5e:2x2", "shape": "17x64x72"}, "not divided by the patch"),
    ],
)
def test_nonsense_is_a_sentence(arguments: dict[str, Any], sentence: str) -> None:
    if not tpu_compiler.available() and arguments["topology"] == "v5e:2x2":
        pytest.skip("libtpu is not installed")
    with pytest.raises(ValueError, match=sentence):
        plan.run(tiny(), **arguments)


def test_a_recipe_without_a_mesh_and_a_missing_topology_are_sentences(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ValueError, match=r"recipes that take a mesh .*: vae trains on one device"):
        plan.run(tiny("vae"), "v5e:2x2")
    assert cli.main(["plan", "--config", str(repository / "configs/studio/sft.py")]) == 2
    assert "--topology is missing" in capsys.readouterr().err


def test_gpus_are_counted_by_node_and_stand_on_fake_devices() -> None:
    assert find_target("h100:4x8").count == 32
    assert find_target("gpu:8").chip == CHIPS["h100"]
    assert "CPU devices" in find_target("h200:8").stand_in
    jax.devices()
    with pytest.raises(ValueError, match="JAX has made 1 already: set XLA_FLAGS"):
        find_target("h100:8").devices()


def planned(found: Any, **others: Any) -> Planned:
    config = AniMatrixConfig(T2V_A14B.dit, None)
    values: dict[str, Any] = {
        "purpose": "training", "target": find_target("v5p:4x4x4"),
        "mesh": MeshSettings(expert=2, data=2, fsdp=4, context=4), "latents": (21, 90, 160),
        "tokens": 75600, "samples": 64, "microbatches": 1, "config": config,
        "work": Work(1e18, 3e18), "hardware": Work(1.3e18, 4e18), "found": found,
    }  # fmt: skip
    return Planned(**values | others)


def test_what_does_not_fit_says_by_how_much_and_what_to_change() -> None:
    short = planned((130.0 * GIB, 95.0 * GIB))
    assert not short.fits and short.mfu is None
    text = table(short)
    assert "too much by 35.00 GiB" in text and "It does not fit, by 35.00 GiB a device" in text
    for change in (
        "remat = 'full'",
        "offload_optimizer = True",
        "microbatches = None",
        "residual_dtype = 'bfloat16'",
        "fsdp 8 for data",
        "context 8 for 4",
    ):
        assert change in "\n".join(advice(short))
    assert short.as_json()["advice"] == advice(short)


def test_mfu_is_model_operations_over_what_the_chips_could_do() -> None:
    seconds = Seconds(20.0, 70.0, 10.0, True)
    found = Estimate(Memory({"parameters": 40.0 * GIB}, 10.0 * GIB), seconds, {}, None, None)
    one = planned(found, purpose="sampling", idle=40.0 * GIB)
    assert one.mfu == pytest.approx(4e18 / (64 * 459e12 * 100))
    assert one.fits and not one.offloads
    assert planned(found, idle=46.0 * GIB).offloads
    assert "in the host's memory" in table(planned(found, idle=46.0 * GIB))


def test_a_collective_takes_its_bytes_over_the_links_of_one_direction() -> None:
    mesh = make_mesh(MeshSettings())
    chip = CHIPS["v5p"]
    assert link_seconds(Collective("all-gather", (), 100, 25), chip, mesh) == 0
    sizes = {"fsdp": 8, "context": 4}
    wide: Any = type("Mesh", (), {"shape": sizes, "size": 32, "axis_names": tuple(sizes)})
    gathered = link_seconds(Collective("all-gather", ("context",), 400, 100), chip, wide)
    assert gathered == pytest.approx(300 / 200e9)
    scattered = link_seconds(Collective("reduce-scatter", ("context",), 100, 25), chip, wide)
    assert scattered == pytest.approx(gathered)
    beyond = link_seconds(Collective("all-reduce", ("fsdp",), 400, 100), CHIPS["h100"], wide)
    assert beyond == pytest.approx(700 / 50e9)
    within = link_seconds(Collective("all-gather", ("context",), 400, 100), CHIPS["h100"], wide)
    assert within == pytest.approx(300 / 450e9), "four GPUs of one node have its switch"
