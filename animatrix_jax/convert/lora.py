"""LoRA in and out: three key styles to deltas of our tensors and back, and their merge.

Styles, for Wan's module `blocks.0.self_attn.q` (diffusers calls it `blocks.0.attn1.to_q`):
    diffusers  transformer.blocks.0.attn1.to_q.lora_A.weight   (transformer_2.: low, read only)
    wan        diffusion_model.blocks.0.self_attn.q.lora_down.weight, .lora_up.weight, .alpha
    kohya      lora_unet_blocks_0_self_attn_q.lora_down.weight, .lora_up.weight, .alpha
`lora_A`/`lora_B` are read for `lora_down`/`lora_up` in any of them. The delta of a weight is
(alpha/rank)·up·down; without an alpha the scale is 1. `.diff`, `.diff_b` and `.diff_m` are whole
deltas of a weight, a bias and a modulation table. Factors keep torch's layout.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from animatrix_jax.convert.rules import Rule

STYLES = ("diffusers", "wan", "kohya")
PREFIXES = ("diffusion_model.", "transformer_2.", "transformer.", "base_model.model.", "")
KOHYA = "lora_unet_"
FACTOR = re.compile(
    r"(?P<module>.+)\.(?P<role>lora_A|lora_down|lora_B|lora_up)(\.default)?\.(?P<slot>weight|bias)"
)
WHOLE = re.compile(r"(?P<module>.+)\.(?P<role>alpha|diff|diff_b|diff_m)")
SLOTS = {"diff": "weight", "diff_b": "bias", "diff_m": "modulation"}
EXPERT_OF = {"transformer.": "high", "transformer_2.": "low"}
OVERSAMPLING, POWER_ITERATIONS = 16, 2
PEFT_METADATA = "lora_adapter_metadata"


@dataclass(frozen=True)
class Factors:
    """A delta of low rank: `down` [rank, in, …], `up` [out, rank, …], scaled by alpha/rank."""

    down: np.ndarray
    up: np.ndarray
    alpha: float | None = None

    @property
    def scale(self) -> float:
        """What up·down is multiplied with."""
        return 1.0 if self.alpha is None else self.alpha / self.down.shape[0]

    @property
    def shape(self) -> tuple[int, ...]:
        """The delta's shape."""
        return self.up.shape[0], *self.down.shape[1:]

    def values(self) -> np.ndarray:
        """Return the delta in float32, [out, in, …]."""
        rank, out = self.down.shape[0], self.up.shape[0]
        up = self.up.astype(np.float32).reshape(out, rank)
        product = up @ self.down.astype(np.float32).reshape(rank, -1)
        return np.float32(self.scale) * product.reshape(out, *self.down.shape[1:])


@dataclass(frozen=True)
class Difference:
    """A whole delta, in torch's layout."""

    difference: np.ndarray

    @property
    def shape(self) -> tuple[int, ...]:
        """The delta's shape."""
        return self.difference.shape

    def values(self) -> np.ndarray:
        """Return the delta in float32."""
        return self.difference.astype(np.float32)


Delta = Factors | Difference
LoRA = dict[str, Delta]
"""Deltas by the names of our tensors."""


def merge(weight: np.ndarray, deltas: Sequence[tuple[Delta, float]]) -> np.ndarray:
    """Return weight + Σ strength·delta, computed in float32, in the weight's own type.

    `weight` is in torch's layout, and every delta of its shape.
    """
    total = weight.astype(np.float32)
    for delta, strength in deltas:
        assert delta.shape == total.shape
        total += np.float32(strength) * delta.values()
    return total.astype(weight.dtype)


def import_lora(
    tensors: Mapping[str, np.ndarray],
    rules: Iterable[Rule],
    metadata: Mapping[str, str] | None = None,
) -> dict[str | None, LoRA]:
    """Return the deltas of a LoRA file's tensors by expert: "high", "low", or None for any.

    A file names experts where it has `transformer_2.` keys. `rules` is the transformer's expanded
    table, `metadata` what the safetensors file says of itself (diffusers keeps alpha there).
    Raises ValueError, naming one, for unknown keys and for factors without their partner.
    """
    modules = _modules_of(tensors, tuple(rules))
    roles: dict[tuple[str | None, str], dict[str, np.ndarray]] = {}
    named = any(key.startswith("transformer_2.") for key in tensors)
    unknown = []
    for key, tensor in tensors.items():
        prefix, module, role = _take_apart(key)
        ours = modules.get((module, _slot(role)))
        if ours is None:
            unknown.append(key)
            continue
        expert = EXPERT_OF.get(prefix) if named else None
        roles.setdefault((expert, ours), {})[role] = tensor
    if unknown:
        raise ValueError(
            f"LoRA key {min(unknown)} belongs to no tensor of this transformer ({len(unknown)} "
            "such in all)"
        )
    loras: dict[str | None, LoRA] = {}
    for (expert, ours), found in roles.items():
        alpha = _alpha_of(metadata or {}, "transformer_2" if expert == "low" else "transformer")
        loras.setdefault(expert, {})[ours] = _delta(ours, found, alpha)
    return loras


def _take_apart(key: str) -> tuple[str, str, str]:
    """Return (prefix, module, role) of a key; the role "" where it has none."""
    prefix = KOHYA if key.startswith(KOHYA) else next(p for p in PREFIXES if key.startswith(p))
    rest = key.removeprefix(prefix)
    if match := FACTOR.fullmatch(rest):
        role = {"lora_A": "down", "lora_down": "down"}.get(match["role"], "up")
        return prefix, match["module"], role if match["slot"] == "weight" else f"{role}_bias"
    if match := WHOLE.fullmatch(rest):
        return prefix, match["module"], match["role"]
    return prefix, rest, ""


def _slot(role: str) -> str:
    if role == "up_bias":
        return "bias"
    return "weight" if role in ("down", "up", "alpha") else SLOTS.get(role, "")


def _modules_of(keys: Iterable[str], rules: tuple[Rule, ...]) -> dict[tuple[str, str], str]:
    """Return our names by (module, slot) in the style that knows most of the keys."""
    kohya = any(key.startswith(KOHYA) for key in keys)
    wanted = {(module, _slot(role)) for _, module, role in map(_take_apart, keys)}
    tables = [
        {place: ours for ours, place in _places(rules, style).items()}
        for style in (("kohya",) if kohya else ("diffusers", "wan"))
    ]
    return max(tables, key=lambda table: len(wanted & table.keys()))


def _places(rules: Iterable[Rule], style: str) -> dict[str, tuple[str, str]]:
    """Return (module, slot) in a style by our names."""
    places = {}
    for rule in rules:
        name = rule.diffusers if style == "diffusers" else rule.wan
        if name is None:
            continue
        module, _, slot = name.rpartition(".")
        if slot not in ("weight", "bias", "modulation"):
            module, slot = name, "weight"
        places[rule.ours] = (module.replace(".", "_") if style == "kohya" else module, slot)
    return places


def _delta(ours: str, found: dict[str, np.ndarray], alpha: float | None) -> Delta:
    for role in ("diff", "diff_b", "diff_m"):
        if role in found:
            if len(found) > 1:
                raise ValueError(f"the LoRA has both factors and a whole delta for {ours}")
            return Difference(found[role])
    if "up_bias" in found:
        if alpha is not None:
            raise ValueError(f"the LoRA has a bias for {ours} and an alpha: that is not read")
        return Difference(found["up_bias"])
    if missing := {"down", "up"} - found.keys():
        raise ValueError(f"the LoRA lacks the {min(missing)} factor for {ours}")
    down, up = found["down"], found["up"]
    if down.ndim < 2 or up.ndim < 2 or up.size != up.shape[0] * down.shape[0]:
        raise ValueError(f"the LoRA's factors for {ours}, {down.shape} and {up.shape}, do not meet")
    if "alpha" in found:
        alpha = float(found["alpha"].astype(np.float32).reshape(-1)[0])
    return Factors(down, up, alpha)


def _alpha_of(metadata: Mapping[str, str], prefix: str) -> float | None:
    """Return the alpha that diffusers writes beside the tensors."""
    if PEFT_METADATA not in metadata:
        return None
    try:
        said: dict[str, Any] = json.loads(metadata[PEFT_METADATA])
    except ValueError as error:
        raise ValueError(f"the LoRA's {PEFT_METADATA} is no JSON") from error
    if said.get(f"{prefix}.alpha_pattern") or said.get(f"{prefix}.use_rslora"):
        raise ValueError(
            "a LoRA with alphas of its own per module, or rank-stabilised, is not read"
        )
    alpha = said.get(f"{prefix}.lora_alpha")
    return None if alpha is None else float(alpha)


def export_lora(lora: LoRA, style: str, rules: Iterable[Rule]) -> dict[str, np.ndarray]:
    """Return a LoRA's tensors by their keys in a style; `import_lora` undoes it.

    The keys name no expert: each has a file of its own (diffusers, too, loads the low one's with
    load_into_transformer_2 and then wants the prefix `transformer.`). In the diffusers style an
    alpha goes into the up factor, for that style has none. Raises ValueError for another style,
    and for a delta that it cannot hold.
    """
    if style not in STYLES:
        raise ValueError(f"there is no LoRA style {style!r}: there are {', '.join(STYLES)}")
    places = _places(rules, style)
    prefix = {"diffusers": "transformer.", "wan": "diffusion_model.", "kohya": KOHYA}[style]
    tensors: dict[str, np.ndarray] = {}
    for ours, delta in lora.items():
        module, slot = places[ours]
        base = f"{prefix}{module}"
        write = _write_diffusers if style == "diffusers" else _write_original
        tensors |= write(base, slot, delta)
    return tensors


def _write_original(base: str, slot: str, delta: Delta) -> dict[str, np.ndarray]:
    if isinstance(delta, Difference):
        role = {slot: role for role, slot in SLOTS.items()}[slot]
        return {f"{base}.{role}": delta.difference}
    tensors = {f"{base}.lora_down.weight": delta.down, f"{base}.lora_up.weight": delta.up}
    if delta.alpha is not None:
        tensors[f"{base}.alpha"] = np.asarray(delta.alpha, np.float32)
    return tensors


def _write_diffusers(base: str, slot: str, delta: Delta) -> dict[str, np.ndarray]:
    if isinstance(delta, Difference):
        if slot != "bias":
            raise ValueError(f"diffusers' LoRA style cannot hold a whole delta of {base}")
        return {f"{base}.lora_B.bias": delta.difference}
    up = delta.up
    if delta.alpha is not None:
        up = (up.astype(np.float32) * np.float32(delta.scale)).astype(up.dtype)
    return {f"{base}.lora_A.weight": delta.down, f"{base}.lora_B.weight": up}


def extract_lora(difference: np.ndarray, rank: int) -> Factors:
    """Return the best factors of a rank of a matrix's change, float32 in torch's layout.

    The truncated singular value decomposition, of no more ranks than the matrix has; where the
    matrix is much larger than the rank, of its projection on a randomised range, which is seeded.
    """
    matrix = difference.reshape(len(difference), -1)
    rank = min(rank, *matrix.shape)
    if min(matrix.shape) > 4 * (rank + OVERSAMPLING):
        basis = _range(matrix, rank + OVERSAMPLING)
        left, values, right = np.linalg.svd(basis.T @ matrix, full_matrices=False)
        left = basis @ left
    else:
        left, values, right = np.linalg.svd(matrix, full_matrices=False)
    root = np.sqrt(values[:rank])
    down = (root[:, None] * right[:rank]).reshape(rank, *difference.shape[1:])
    up = (left[:, :rank] * root).reshape(-1, rank, *(1,) * (difference.ndim - 2))
    return Factors(down, up)


def _range(matrix: np.ndarray, columns: int) -> np.ndarray:
    """Return orthonormal columns that span nearly all that a matrix's largest ones do.

    Halko, Martinsson and Tropp 2011, algorithm 4.4: a Gaussian sketch and power iterations.
    """
    sketch = np.random.default_rng(0).standard_normal((matrix.shape[1], columns), matrix.dtype)
    basis = np.linalg.qr(matrix @ sketch)[0]
    for _ in range(POWER_ITERATIONS):
        basis = np.linalg.qr(matrix.T @ basis)[0]
        basis = np.linalg.qr(matrix @ basis)[0]
    return basis
