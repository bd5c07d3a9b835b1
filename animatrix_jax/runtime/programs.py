"""Compiled programs are kept on disk, so that a restart need not compile them again."""

import os
from pathlib import Path

import jax


def keep_programs() -> None:
    """Let JAX keep what it compiles in the user's cache folder, unless it was told another one.

    JAX's own `JAX_COMPILATION_CACHE_DIR` (or its config) holds where it is given.
    """
    if jax.config.jax_compilation_cache_dir is None:
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        jax.config.update("jax_compilation_cache_dir", str(cache / "animatrix" / "programs"))
