"""Training and generation on eight devices give what one device gives."""

from typing import Any

import pytest

from animatrix_jax.parallel.mesh import MeshSettings, choose_mesh, make_mesh, parse_mesh
from tests.devices import on_eight_devices


@pytest.fixture(scope="module")
def facts() -> dict[str, Any]:
    """What `eight_devices` finds in a process of its own."""
    return on_eight_devices("tests.animatrix_jax.parallel.eight_devices")


def test_every_mix_of_axes_gives_the_gradients_of_one_device(facts: dict[str, Any]) -> None:
    assert len(facts["mixes"]) == 3
    for mix, found in facts["mixes"].items():
        assert found["gradients"] < 1e-5 and found["losses"] < 1e-5, mix
        # Each axis that has several devices moves something, and no other one does.
        assert set(found["axes"]) == {part.split()[0] for part in mix.split(", ")} - {"expert"}, mix


def test_nothing_goes_across_experts_but_sums_of_numbers(facts: dict[str, Any]) -> None:
    assert not any(found["across"] for found in facts["mixes"].values())
    assert facts["step"], "the losses of both experts are logged"
    assert all(one.startswith("all-reduce ") for one in facts["step"])
    # Summed side by side are losses and norms, and of all 16 samples the loss and the index.
    assert all(int(one.split()[1]) <= 64 for one in facts["step"])


def test_a_distillation_on_a_mesh_is_that_of_one_device(facts: dict[str, Any]) -> None:
    found = facts["distilled"]
    assert found["student"] < 1e-4 and found["critic"] < 1e-4
    assert found["across"] and all(one.startswith("all-reduce ") for one in found["across"])
    assert all(int(one.split()[1]) <= 64 for one in found["across"])


def test_preference_gradients_on_a_mesh_are_those_of_one_device(facts: dict[str, Any]) -> None:
    found = facts["preferred"]
    assert found["gradients"] < 1e-5 and found["losses"] < 1e-5 and not found["across"]


def test_a_mesh_generates_what_one_device_does(facts: dict[str, Any]) -> None:
    for name, found in facts["generated"].items():
        assert found["velocity"] < 1e-5, name
        assert found["frames"] <= 1, name
        assert found["devices"] == [8], "every device works on the active expert"


def test_a_mesh_is_said_in_words() -> None:
    assert parse_mesh("context=4, tensor=2") == MeshSettings(context=4, tensor=2)
    assert str(MeshSettings(expert=2, fsdp=4)) == "expert 2 × fsdp 4"
    for text, sentence in (
        ("contxt=4", "a mesh has no axis 'contxt': did you mean context"),
        ("context", "a mesh is written as context=4,tensor=2, not 'context'"),
        ("context=2,context=2", "a mesh is written as"),
        ("context=0", "the mesh axis context has 1 device or more, not 0"),
    ):
        with pytest.raises(ValueError, match=sentence):
            parse_mesh(text)


def test_the_mesh_is_chosen_by_the_number_of_devices() -> None:
    kept = {"64": MeshSettings(fsdp=64), "256": MeshSettings(fsdp=256)}
    assert choose_mesh(None, kept, 64).fsdp == 64
    assert choose_mesh(MeshSettings(tensor=8), kept, 8).tensor == 8
    assert choose_mesh(None, {}, 8) == choose_mesh(None, kept, 1) == MeshSettings()
    with pytest.raises(ValueError, match="meshes of 64, 256 devices, and there are 8"):
        choose_mesh(None, kept, 8)
    with pytest.raises(ValueError, match="takes 16 devices, and there are 8"):
        choose_mesh(MeshSettings(fsdp=16), kept, 8)


def test_a_mesh_of_one_device_is_made() -> None:
    assert make_mesh(MeshSettings()).size == 1
