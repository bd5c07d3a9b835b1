"""An oracle that has looked already: training what judges, with what looks at pixels as it is.

To look at a clip costs a hundred times what it costs to judge what was seen, and points, flow and
statistics say most of what there is to know of motion, camera and faults. So a second run looks at
each clip once and goes over what it saw many times.
"""

from pathlib import Path
from typing import Any

import jax
import numpy as np

from animatrix_data.progress import track
from animatrix_jax.evaluation.oracles import load_oracles
from animatrix_jax.jobs.recipes.oracle_clips import Clips, Views, mirrored, shown_batch
from animatrix_jax.models.oracle import LOOKED, LOOKING, TRACKS, OracleNet
from animatrix_jax.training.vae import to_unit

CHUNK = 16


def judging(params: Any) -> Any:
    """Return the parameters that judge what was seen."""
    return {"params": {k: v for k, v in params["params"].items() if not k.startswith(LOOKING)}}


def looking_of(folder: Path) -> dict[str, Any]:
    """Return the parameters of an oracle's folder (or a run's workdir) that look at pixels."""
    params = load_oracles(folder).learned.params["params"]
    return {name: value for name, value in params.items() if name.startswith(LOOKING)}


def joined(params: Any, looking: dict[str, Any]) -> Any:
    """Return the parameters that judge and those that look, together."""
    return {"params": {**params["params"], **looking}}


def looked_shapes(net: OracleNet, inputs: dict[str, Any]) -> dict[str, jax.ShapeDtypeStruct]:
    """Return `LOOKED` and, where points are found, `TRACKS` of a batch as shapes."""
    params = jax.eval_shape(net.init, jax.random.key(0), **inputs)
    out = jax.eval_shape(net.apply, params, **inputs)
    return {name: out[name] for name in (LOOKED, TRACKS) if name in out}


def look(net: OracleNet, params: Any, clips: Clips) -> tuple[Views, Views]:
    """Return `LOOKED` and `TRACKS` [N, …] of all clips as drawn, and of their mirror images."""

    @jax.jit
    def seen(batch: dict[str, jax.Array]) -> dict[str, jax.Array]:
        inputs: Any = {**batch, "frames": to_unit(batch["frames"])}
        out: Any = net.apply(params, **inputs)
        return {name: out[name] for name in (LOOKED, TRACKS) if name in out}

    both = []
    for flipped in (False, True):
        parts = []
        for start in track(range(0, len(clips), CHUNK), label="Looking once"):
            chosen = np.minimum(np.arange(start, start + CHUNK), len(clips) - 1)
            none, flip = np.zeros(CHUNK, bool), np.full(CHUNK, flipped)
            batch = shown_batch(clips, chosen, none, flip)
            inputs = {name: batch[name] for name in clips.drawn}
            parts.append(jax.device_get(seen(inputs)))
        both.append({k: np.concatenate([p[k] for p in parts])[: len(clips)] for k in parts[0]})
    return both[0], both[1]


def looked_batch(
    clips: Clips, looked: tuple[Views, Views], chosen: np.ndarray, flipped: np.ndarray
) -> Views:
    """Return what was seen of some clips, mirrored or not, with their flow and statistics."""
    batch = {
        name: np.stack([looked[int(f)][name][c] for c, f in zip(chosen, flipped, strict=True)])
        for name in looked[0]
    }
    for name in set(clips.drawn) - {"frames"}:
        views = clips.drawn[name]
        batch[name] = np.stack(
            [mirrored(name, views[c], f) for c, f in zip(chosen, flipped, strict=True)]
        )
    return batch
