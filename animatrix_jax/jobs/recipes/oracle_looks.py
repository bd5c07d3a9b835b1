"""An oracle that has looked already: training what judges, with what looks at frames as it is.

To look at a clip costs a hundred times what it costs to judge what was seen, and points, flow and
statistics say most of what there is to know of motion, camera and faults. So a second run looks at
each clip once and goes over what it saw many times.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import numpy as np

from animatrix_data.progress import track
from animatrix_jax.evaluation.oracles import load_oracles
from animatrix_jax.jobs.recipes.oracle_clips import Clips, Views, mirrored, mirrored_places
from animatrix_jax.models.oracle import CLOSER, FRAMED, LOOKING, OracleConfig, OracleNet
from animatrix_jax.models.oracle_frames import LOOKED, TRACKS
from animatrix_jax.training.vae import to_unit

CHUNK = 16


def judging(params: Any) -> Any:
    """Return the parameters that judge what was seen."""
    return {"params": {k: v for k, v in params["params"].items() if k not in LOOKING}}


@dataclass(frozen=True)
class Looking:
    """What the oracle of a folder looks at frames with: parameters, their digest, its config."""

    folder: Path
    params: Mapping[str, Any]
    digest: str
    config: OracleConfig
    fps: float


def looking_of(folder: Path) -> Looking:
    """Return what an oracle's folder (or a run's workdir) looks at frames with.

    Raises ValueError where it does not look at frames one by one.
    """
    learned = load_oracles(folder).learned
    params = learned.params["params"] if learned else {}
    if learned is None or FRAMED not in params:
        raise ValueError(f"the oracle of {folder} does not look at single frames")
    kept = {name: params[name] for name in LOOKING if name in params}
    return Looking(folder, kept, learned.digest, learned.card.config, learned.card.fps)


def check_looking(looking: Looking, config: OracleConfig, fps: float) -> None:
    """Raise ValueError, naming what differs, where what looks does not fit a config."""
    if missing := set(config.streams) & set(LOOKING) - set(looking.params):
        raise ValueError(f"the oracle of {looking.folder} has no stream {min(missing)!r}")
    names = ["frames", "height", "width", "skip", "points", "framed", "frame_dims", "look"]
    if CLOSER in config.streams:
        names += ["near", "near_dims", "near_look"]
    pairs = [(name, getattr(looking.config, name), getattr(config, name)) for name in names]
    pairs.append(("fps", looking.fps, fps))
    labels = looking.config.labels
    pairs += [(f"the answers to {n}", labels[n], config.labels.get(n, ())) for n in labels]
    for name, has, wanted in pairs:
        if has != wanted:
            raise ValueError(f"{name} of the oracle of {looking.folder} is {has}, not {wanted}")


def joined(params: Any, looking: Mapping[str, Any]) -> Any:
    """Return the parameters that judge and those that look, together."""
    return {"params": {**params["params"], **looking}}


def looked_shapes(net: OracleNet, inputs: dict[str, Any]) -> dict[str, jax.ShapeDtypeStruct]:
    """Return `LOOKED` and, where points are found, `TRACKS` of a batch as shapes."""
    params = jax.eval_shape(net.init, jax.random.key(0), **inputs)
    out = jax.eval_shape(net.apply, params, **inputs)
    return {name: out[name] for name in (LOOKED, TRACKS) if name in out}


def look(net: OracleNet, params: Any, clips: Clips) -> Views:
    """Return `LOOKED` and `TRACKS` [N, T, …] of all clips as drawn."""

    @jax.jit
    def seen(frames: jax.Array, others: dict[str, Any]) -> dict[str, jax.Array]:
        out: Any = net.apply(params, to_unit(frames), **others)
        return {name: out[name] for name in (LOOKED, TRACKS)}

    parts = []
    for start in track(range(0, len(clips), CHUNK), label="Looking once"):
        chosen = np.minimum(np.arange(start, start + CHUNK), len(clips) - 1)
        batch: dict[str, Any] = {name: values[chosen] for name, values in clips.drawn.items()}
        parts.append(jax.device_get(seen(batch.pop("frames"), batch)))
    return {k: np.concatenate([p[k] for p in parts])[: len(clips)] for k in parts[0]}


def looked_batch(clips: Clips, looked: Views, chosen: np.ndarray, flipped: np.ndarray) -> Views:
    """Return what was seen of some clips, with their flow and statistics.

    Of a mirrored clip's frames the same is said as of the clip's: only what lies to the left or
    the right, or moves so, is mirrored.
    """
    tracks = mirrored_places(looked[TRACKS][chosen], flipped)
    batch = {LOOKED: looked[LOOKED][chosen], TRACKS: tracks}
    for name in set(clips.drawn) - {"frames"}:
        views = clips.drawn[name]
        batch[name] = np.stack(
            [mirrored(name, views[c], f) for c, f in zip(chosen, flipped, strict=True)]
        )
    return batch
