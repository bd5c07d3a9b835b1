"""Where compiled programs are kept."""

from collections.abc import Iterator
from pathlib import Path

import jax
import pytest

from animatrix_jax.runtime.programs import keep_programs


@pytest.fixture
def before() -> Iterator[str | None]:
    """Return the folder that JAX was told of, and tell it again afterwards."""
    folder = jax.config.jax_compilation_cache_dir
    yield folder
    jax.config.update("jax_compilation_cache_dir", folder)


def test_programs_go_to_the_users_cache_unless_jax_was_told_a_folder(
    before: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    keep_programs()
    assert jax.config.jax_compilation_cache_dir == before is not None
    jax.config.update("jax_compilation_cache_dir", None)
    keep_programs()
    assert jax.config.jax_compilation_cache_dir == str(tmp_path / "animatrix" / "programs")
