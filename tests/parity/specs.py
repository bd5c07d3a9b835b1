"""The cases of the transformer, the text encoder and the solvers, and their inputs: NumPy only."""

from dataclasses import dataclass

import numpy as np

from tests.parity.weights import random_array

BATCH = 2


@dataclass(frozen=True)
class DiTCase:
    """Sizes of a small transformer, its seed, the latents' grid and what they are made of.

    `task` is t2v (noisy latents), i2v-first or i2v-both (the mask of the first, or of the first
    and the last pixel frame, and reference latents beside them) or ti2v (a timestep a token).
    """

    name: str
    dim: int
    heads: int
    grid: tuple[int, int, int]
    seed: int = 0
    task: str = "t2v"
    latent_channels: int = 16

    ffn_dim = 112
    layers = 2
    text_dim = 24
    text_length = 11

    @property
    def in_channels(self) -> int:
        """Channels of the transformer's input."""
        return self.latent_channels * 2 + 4 if self.task.startswith("i2v") else self.latent_channels

    def inputs(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return input [B, C, T, H, W], timesteps [B] or [B, tokens] and text [B, N, d]."""
        shape = (BATCH, self.latent_channels, *self.grid)
        latents = random_array("noisy", shape, self.seed)
        if self.task.startswith("i2v"):
            mask = reference_mask(self.grid[0], last=self.task == "i2v-both")
            mask = np.broadcast_to(mask[None, :, :, None, None], (BATCH, 4, *self.grid))
            reference = random_array("reference", shape, self.seed)
            latents = np.concatenate([latents, mask, reference], axis=1)
        text = random_array("text", (BATCH, self.text_length, self.text_dim), self.seed)
        text[1, 5:] = 0.0
        timesteps = np.float32([999.0, 412.0]) if self.seed == 0 else np.float32([875.0, 3.0])
        if self.task == "ti2v":
            frames, height, width = self.grid
            timesteps = np.repeat(timesteps[:, None], frames * height * width // 4, axis=1)
            timesteps[:, : height * width // 4] = 0.0
        return latents, timesteps, text


def reference_mask(latent_frames: int, last: bool) -> np.ndarray:
    """Return Wan's mask [4, latent frames] of given pixel frames, from its description.

    One value a pixel frame of 4·n + 1, the first one four times, then four in a row a latent frame.
    """
    pixels = np.zeros(4 * latent_frames - 3, np.float32)
    pixels[0] = 1.0
    if last:
        pixels[-1] = 1.0
    return np.concatenate([pixels[:1].repeat(4), pixels[1:]]).reshape(latent_frames, 4).T


DIT_CASES = (
    DiTCase("T2V, 1 frame", 48, 3, (1, 6, 10)),
    DiTCase("T2V, 5 frames", 48, 3, (2, 10, 6)),
    DiTCase("T2V, 9 frames", 48, 3, (3, 2, 14)),
    DiTCase("T2V, 9 frames, other weights", 48, 3, (3, 2, 14), seed=1),
    DiTCase("T2V, 17 frames", 48, 3, (5, 6, 6)),
    DiTCase("T2V, head of 128", 256, 2, (2, 6, 10)),
    DiTCase("I2V, first frame", 80, 4, (3, 6, 10), task="i2v-first"),
    DiTCase("I2V, first and last frame", 80, 4, (3, 6, 10), seed=1, task="i2v-both"),
    DiTCase("TI2V, a timestep a token", 96, 4, (2, 6, 10), task="ti2v", latent_channels=48),
    DiTCase("TI2V, other weights", 96, 4, (2, 6, 10), 1, task="ti2v", latent_channels=48),
)
DIT_BFLOAT16 = "T2V, 9 frames"


@dataclass(frozen=True)
class UMT5Case:
    """Sizes of a small text encoder, its seed and the lengths of its two texts."""

    name: str
    lengths: tuple[int, int]
    seed: int = 0
    dim: int = 32
    ffn_dim: int = 56
    heads: int = 4
    head_dim: int = 8

    layers = 2
    vocab = 61

    def ids(self) -> np.ndarray:
        """Return token ids [2, longest], zero after each text's end."""
        length = max(self.lengths)
        values = np.abs(random_array("ids", (BATCH, length), self.seed)) * 1e4
        ids = 1 + values.astype(np.int32) % (self.vocab - 1)
        return np.where(np.arange(length) < np.array(self.lengths)[:, None], ids, 0)


UMT5_CASES = (
    UMT5Case("1 token", (1, 1)),
    UMT5Case("7 tokens", (7, 3)),
    UMT5Case("40 tokens, other weights", (40, 17), seed=1),
    UMT5Case("150 tokens", (150, 9)),
    UMT5Case("inner width unlike the outer", (23, 12), dim=48, heads=3, head_dim=20),
)
UMT5_BFLOAT16 = "7 tokens"


@dataclass(frozen=True)
class SolverCase:
    """A solver on a grid of sigmas with a shift, ten steps of them.

    `own_grid` says that diffusers makes the sigmas itself; otherwise ours are handed to it.
    """

    solver: str
    grid: str
    shift: float
    own_grid: bool = False

    steps = 10

    @property
    def name(self) -> str:
        """How the case is called in the table."""
        return f"{self.solver}, {self.grid} grid, shift {self.shift:g}"


SOLVER_CASES = (
    *(SolverCase("unipc", "wan", shift) for shift in (12.0, 5.0)),
    *(SolverCase("unipc", "diffusers", shift, own_grid=True) for shift in (12.0, 5.0, 3.0)),
    SolverCase("dpmpp", "wan", 5.0, own_grid=True),
    *(SolverCase("dpmpp", "wan_dpm", shift) for shift in (12.0, 5.0)),
    SolverCase("euler", "wan_dpm", 5.0, own_grid=True),
)
SOLVER_DIM = 24


def solver_problem() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return W, b and the start of a velocity tanh(x·W + b·timestep/1000)."""
    weights = 0.3 * random_array("W", (SOLVER_DIM, SOLVER_DIM), 0)
    return weights, random_array("b", (SOLVER_DIM,), 0), random_array("x", (BATCH, SOLVER_DIM), 0)


def wan_grid(grid: str, shift: float, steps: int) -> np.ndarray:
    """Return the shifted sigmas of Wan's own samplers, without the final 0."""
    sigmas = np.linspace({"wan": 0.999, "wan_dpm": 1.0}[grid], 0.0, steps + 1)[:-1]
    return shift * sigmas / (1 + (shift - 1) * sigmas)
