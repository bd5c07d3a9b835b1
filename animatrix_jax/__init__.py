"""AniMatrix in JAX: the model and everything that trains, runs and measures it.

import animatrix_jax
model = animatrix_jax.load("pocket")
clip = model.generate("<tag>VFX: Rain</tag><summary>A girl waits.</summary>", seed=3)
"""

from typing import Any

__all__ = ["load"]


def __getattr__(name: str) -> Any:
    """Return the public face, imported when it is first asked for (PEP 562)."""
    if name == "load":
        from animatrix_jax.inference.animator import load

        return load
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
