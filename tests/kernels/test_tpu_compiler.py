import os
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import pytest

from animatrix_kernels import tpu_compiler

needs_libtpu = pytest.mark.skipif(
    not tpu_compiler.available(),
    reason="libtpu is not installed: `make setup` brings it on Linux for x86_64",
)


@needs_libtpu
def test_a_program_is_compiled_for_any_generation() -> None:
    before = dict(os.environ)
    for name, number in (("v5e:2x2", 4), ("v5p:4x4x4", 64), ("v6e:4x4", 16)):
        devices = tpu_compiler.topology(name)
        assert len(devices) == number and devices[0].platform == "tpu"
        sharding = jax.sharding.SingleDeviceSharding(devices[0])
        square = jax.ShapeDtypeStruct((256, 256), jnp.bfloat16, sharding=sharding)
        program = jax.jit(lambda x: x @ x).lower(square).compile()
        assert program.memory_analysis().output_size_in_bytes == 256 * 256 * 2
    assert dict(os.environ) == before
    assert jax.devices()[0].platform != "tpu"


@needs_libtpu
@pytest.mark.parametrize("name", ["v9:2x2", "v5p:3x1", "hopper"])
def test_a_slice_that_there_is_not_is_one_sentence(name: str) -> None:
    with pytest.raises(ValueError, match=rf"there is no TPU slice '{name}' \(.+\): name one as in"):
        tpu_compiler.topology(name)


def test_where_it_is_not_installed_the_sentence_says_how(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    monkeypatch.setenv("TPU_LIBRARY_PATH", str(tmp_path / "libtpu.so"))
    monkeypatch.setattr(tpu_compiler, "_on_a_tpu_machine", lambda: False)
    assert tpu_compiler.library() is None and not tpu_compiler.available()
    with pytest.raises(ValueError, match="takes libtpu, which `make setup` installs"):
        tpu_compiler.topology("v5e:2x2")
    monkeypatch.delenv("TPU_LIBRARY_PATH")
    (tmp_path / "tpu" / "libtpu").mkdir(parents=True)
    (tmp_path / "tpu" / "libtpu" / "libtpu.so").touch()
    assert tpu_compiler.library() == tmp_path / "tpu" / "libtpu" / "libtpu.so"
