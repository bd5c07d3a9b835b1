"""The transformer a second time: NumPy in float64, written from Wan's block and eqs. 6–11."""

from typing import Any

import numpy as np

EPS = 1e-6


def dense(p: dict, x: np.ndarray) -> np.ndarray:
    return x @ p["kernel"] + p.get("bias", 0.0)


def silu(x: np.ndarray) -> np.ndarray:
    return x / (1 + np.exp(-x))


def gelu(x: np.ndarray) -> np.ndarray:
    return 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))


def layer_norm(x: np.ndarray) -> np.ndarray:
    centred = x - x.mean(axis=-1, keepdims=True)
    return centred / np.sqrt((centred**2).mean(axis=-1, keepdims=True) + EPS)


def rms_norm(p: dict, x: np.ndarray) -> np.ndarray:
    return x / np.sqrt((x**2).mean(axis=-1, keepdims=True) + EPS) * p["gain"]


def attention(q: np.ndarray, k: np.ndarray, v: np.ndarray, heads: int) -> np.ndarray:
    q, k, v = (x.reshape(len(x), heads, -1) for x in (q, k, v))
    logits = np.einsum("qhd,khd->hqk", q, k) / np.sqrt(q.shape[-1])
    weights = np.exp(logits - logits.max(axis=-1, keepdims=True))
    weights /= weights.sum(axis=-1, keepdims=True)
    return np.einsum("hqk,khd->qhd", weights, v).reshape(len(q), -1)


def rotated(x: np.ndarray, heads: int, grid: tuple[int, int, int]) -> np.ndarray:
    """Multiply adjacent channel pairs by the complex factors of frame, row and column."""
    dim = x.shape[-1] // heads
    side = 2 * (dim // 6)
    angles = [
        np.concatenate(
            [
                place / 10000.0 ** (np.arange(0, size, 2) / size)
                for place, size in zip(token, (dim - 2 * side, side, side), strict=True)
            ]
        )
        for token in np.ndindex(grid)
    ]
    pairs = x.reshape(len(x), heads, -1, 2)
    turned = (pairs[..., 0] + 1j * pairs[..., 1]) * np.exp(1j * np.array(angles))[:, None]
    return np.stack([turned.real, turned.imag], axis=-1).reshape(x.shape)


def cross(p: dict, heads: int, x: np.ndarray, text: np.ndarray, tags: np.ndarray | None) -> Any:
    """Equations 6 and 11; `tags` holds the given tags' states only."""
    q = rms_norm(p["q_norm"], dense(p["q"], x))

    def over(context: np.ndarray) -> np.ndarray:
        k = rms_norm(p["k_norm"], dense(p["k"], context))
        return attention(q, k, dense(p["v"], context), heads)

    if tags is None:
        return dense(p["o"], over(text))
    mixed = over(np.concatenate([text + p["text_type"], tags + p["tag_type"]]))
    if "gate" not in p:
        return dense(p["o"], mixed)
    return dense(p["o"], over(text) + p["gate"] * (mixed - over(text)))


def projected(p: dict, name: str, x: np.ndarray) -> np.ndarray:
    return dense(p[name], dense(p[f"{name}_in"], x) if f"{name}_in" in p else x)


def velocity(
    params: dict,
    heads: int,
    patch: tuple[int, int, int],
    inputs: np.ndarray,
    timestep: float,
    text: np.ndarray,
    tags: tuple[np.ndarray, np.ndarray] | None = None,
) -> np.ndarray:
    """One sample's velocity: inputs [T, H, W, C], text [N, d_text], tags (h_seq, h_global)."""
    p = params
    shape = inputs.shape[:3]
    grid = tuple(n // k for n, k in zip(shape, patch, strict=True))
    x = np.stack(
        [
            inputs[
                tuple(slice(i * k, i * k + k) for i, k in zip(token, patch, strict=True))
            ].ravel()
            for token in np.ndindex(grid)
        ]
    )
    x = dense(p["patch_embedding"], x)
    half = p["time_in"]["kernel"].shape[0] // 2
    angles = timestep * 10000.0 ** (-np.arange(half) / half)
    time = dense(p["time_in"], np.concatenate([np.cos(angles), np.sin(angles)]))
    time = dense(p["time_out"], silu(time))
    shared = dense(p["time_projection"], silu(time)).reshape(6, -1)
    text = dense(p["text_out"], gelu(dense(p["text_in"], text)))
    for layer in range(len(p["blocks"]["modulation"])):
        b = pick(p["blocks"], layer)
        shift1, scale1, gate1, shift2, scale2, gate2 = shared + b["modulation"]
        gamma, beta = [1.0] * 3, [0.0] * 3
        if tags is not None:
            m = b["tag_modulation"]
            fused = silu(projected(m, "time", time) + projected(m, "tags", tags[1]))
            names = ("self_attention", "cross_attention", "ffn")
            gamma = [1 + projected(m, f"{name}_scale", fused) for name in names]
            beta = [projected(m, f"{name}_shift", fused) for name in names]
        h = gamma[0] * (layer_norm(x) * (1 + scale1) + shift1) + beta[0]
        s = b["self_attention"]
        q, k = (rotated(rms_norm(s[f"{n}_norm"], dense(s[n], h)), heads, grid) for n in ("q", "k"))
        x = x + gate1 * dense(s["o"], attention(q, k, dense(s["v"], h), heads))
        norm = b["cross_norm"]
        h = gamma[1] * (layer_norm(x) * norm["scale"] + norm["bias"]) + beta[1]
        x = x + cross(b["cross_attention"], heads, h, text, None if tags is None else tags[0])
        h = gamma[2] * (layer_norm(x) * (1 + scale2) + shift2) + beta[2]
        x = x + gate2 * dense(b["ffn_down"], gelu(dense(b["ffn_up"], h)))
    shift, scale = p["head_modulation"] + time
    x = dense(p["head"], layer_norm(x) * (1 + scale) + shift)
    out = np.empty((*shape, x.shape[-1] // int(np.prod(patch))))
    for token, values in zip(np.ndindex(grid), x, strict=True):
        place = tuple(slice(i * k, i * k + k) for i, k in zip(token, patch, strict=True))
        out[place] = values.reshape(*patch, -1)
    return out


def pick(tree: Any, index: int) -> Any:
    """One layer of stacked parameters."""
    return {k: pick(v, index) for k, v in tree.items()} if isinstance(tree, dict) else tree[index]
