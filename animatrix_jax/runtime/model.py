"""A model folder brought to life: encode text and video, decode, predict velocity."""

import hashlib
from dataclasses import dataclass
from functools import cached_property, partial
from math import prod
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Array, Bool, Float, UInt8

from animatrix_data.files import digest_file
from animatrix_jax.checkpoint.folder import (
    CARD,
    ModelCard,
    folder_digest,
    load_part,
    part_digest,
    read_card,
)
from animatrix_jax.checkpoint.sharded import load_onto, load_stacked
from animatrix_jax.models.animatrix import AniMatrix, AniMatrixConfig, Conditions
from animatrix_jax.models.shapes import text_encoder_shapes, transformer_shapes, vae_shapes
from animatrix_jax.models.umt5 import UMT5Config, UMT5Encoder
from animatrix_jax.models.vae import VAE, VAEConfig
from animatrix_jax.parallel.mesh import MeshSettings, kernels_on, make_mesh
from animatrix_jax.parallel.partition import expert_shardings, replicated, shardings
from animatrix_jax.runtime.attention import attend_on
from animatrix_jax.runtime.tokenizer import TOKENIZER_FILE, make_tokenizer
from animatrix_jax.runtime.video import Tiling, decode_clip, encode_clip, to_unit

WHOLE = 2**22
"""Pixel positions (frames × height × width) up to which a clip goes through the VAE whole."""

SHIPPED = Path(__file__).resolve().parents[1] / "weights"


def find_model(name: str | Path) -> Path:
    """Return the model folder that `--model` names: a shipped model, a folder, or a run's workdir.

    Raises ValueError when there is none.
    """
    path, shipped = Path(name), SHIPPED / str(name)
    if not path.exists() and (shipped / CARD).is_file():
        return shipped
    if not (path / CARD).is_file() and (path / "model" / CARD).is_file():
        return path / "model"
    if not (path / CARD).is_file() and (path / "run.json").is_file():
        raise ValueError(
            f"the run in {path} has written no model yet: it does when it ends or stops"
        )
    if not path.exists():
        known = sorted(p.name for p in SHIPPED.glob("*") if (p / CARD).is_file())
        raise ValueError(f"there is no model {str(name)!r}; shipped with the package: {known}")
    return path


def reference_frames(
    frames: UInt8[Array, "B T H W 3"], given: Bool[Array, " T"] | None = None
) -> Float[Array, "B T H W 3"]:
    """Return frames in [−1, 1], those not given set to 0, as Wan's I2V condition has them.

    `given` None is the first frame.
    """
    if given is None:
        given = np.arange(frames.shape[1]) == 0
    return jnp.where(given[:, None, None, None], to_unit(frames), 0.0)


@dataclass(frozen=True)
class Model:
    """The parts of one model folder; weights load when they are first used.

    `placement` is where the weights of VAE and text encoder go, None for the default device.
    The experts lie on `mesh`, where there is one: each over all of its devices. With `offload` they
    stay in the host's memory, and an expert is on the devices only while it is the active one.
    """

    folder: Path
    card: ModelCard
    placement: jax.sharding.Sharding | None = None
    mesh: Mesh | None = None
    offload: bool = False

    @property
    def vae_config(self) -> VAEConfig:
        """The VAE's sizes; ValueError where the folder has no VAE."""
        return _present(self.card.vae, "vae", self.folder)

    @property
    def text_config(self) -> UMT5Config:
        """The text encoder's sizes; ValueError where the folder has none."""
        return _present(self.card.text_encoder, "text_encoder", self.folder)

    @property
    def transformer_config(self) -> AniMatrixConfig:
        """The experts' sizes; ValueError where the folder has no transformer."""
        return _present(self.card.transformer, "transformer", self.folder)

    @property
    def vae(self) -> VAE:
        """The VAE as a network."""
        return VAE(self.vae_config)

    @cached_property
    def transformer(self) -> AniMatrix:
        """One expert as a network."""
        return AniMatrix(self.transformer_config, attend_on(self.devices))

    @cached_property
    def devices(self) -> Mesh:
        """The mesh of the experts."""
        return self.mesh or make_mesh(MeshSettings())

    @cached_property
    def vae_params(self) -> Any:
        """The VAE's parameters."""
        c = self.vae_config
        params = load_part(self.folder, "vae", vae_shapes(c), c.dtype)
        return jax.device_put({"params": params}, self.placement)

    @cached_property
    def text_params(self) -> Any:
        """The text encoder's parameters."""
        c = self.text_config
        params = load_part(self.folder, "text_encoder", text_encoder_shapes(c), c.dtype)
        return jax.device_put({"params": params}, self.placement)

    @cached_property
    def experts(self) -> tuple[Any, ...]:
        """Each expert's parameters, where they are kept."""
        c, places = self.transformer_config, self._places("pinned_host" if self.offload else None)
        shapes = transformer_shapes(c)
        return tuple(
            {"params": load_onto(self.folder, name, shapes, places["params"], c.dit.dtype)}
            for name in self.card.experts
        )

    def active(self, expert: int) -> Any:
        """Return an expert's parameters on the devices."""
        kept = self.experts[expert]
        return jax.device_put(kept, self._places("device")) if self.offload else kept

    def _places(self, memory: str | None) -> Any:
        """Return the shardings of one expert's parameters in a kind of memory."""
        one = {"params": transformer_shapes(self.transformer_config)}
        return expert_shardings(one, self.devices, memory)

    def stacked_experts(self, mesh: Mesh | None = None) -> Any:
        """Return the experts' parameters in float32 with the leading expert dim, as trained.

        On a mesh every process reads the parts that its devices hold, and no more.
        """
        one = transformer_shapes(self.transformer_config)
        count = len(self.card.experts)
        stacked = jax.tree.map(
            lambda leaf: jax.ShapeDtypeStruct((count, *leaf.shape), leaf.dtype), one
        )
        places = shardings({"params": stacked}, mesh or self.devices)
        return {"params": load_stacked(self.folder, self.card.experts, one, places["params"])}

    @property
    def digest(self) -> str:
        """SHA-256 of the whole folder: its card and all weights."""
        return folder_digest(self.folder)

    @cached_property
    def vae_digest(self) -> str:
        """SHA-256 of the VAE's sizes and weights: the key of a latent cache."""
        return part_digest(self.folder, "vae")

    @cached_property
    def text_digest(self) -> str:
        """SHA-256 of the text encoder and its tokenizer: the key of cached text states."""
        parts = [part_digest(self.folder, "text_encoder"), self.card.tokenizer]
        if (self.folder / TOKENIZER_FILE).is_file():
            parts.append(digest_file(self.folder / TOKENIZER_FILE))
        return hashlib.sha256(" ".join(parts).encode()).hexdigest()

    def encode_text(self, texts: list[str]) -> Float[Array, "B L d"]:
        """Return the text encoder's states, zero where a text is padded."""
        length = self.transformer_config.dit.text_length
        return self.encode_ids(make_tokenizer(self.card.tokenizer, length, self.folder)(texts))

    def encode_ids(self, text_ids: np.ndarray) -> Float[Array, "... L d"]:
        """Return the states of token ids [..., L]."""
        flat = _apply(
            UMT5Encoder(self.text_config),
            self.text_params,
            text_ids.reshape(-1, text_ids.shape[-1]),
        )
        return flat.reshape(*text_ids.shape, -1)

    def encode_video(
        self, frames: UInt8[Array, "B T H W 3"], tiling: Tiling | None = None
    ) -> Float[Array, "B t h w z"]:
        """Return normalised latents of clips; T is time_stride·n + 1.

        A clip of more than `WHOLE` positions, or one in tiles, goes through in chunks. Raises
        ValueError for a frame count, a size or a tiling that the VAE cannot take.
        """
        self.vae_config.latent_shape(*frames.shape[1:4])
        return self._encode(jnp.asarray(frames), tiling)

    def encode_reference(
        self,
        frames: UInt8[Array, "B T H W 3"],
        given: Bool[Array, " T"] | None = None,
        tiling: Tiling | None = None,
    ) -> Float[Array, "B t h w z"]:
        """Return the encoding of clips whose frames but the given are zeros (decision 5).

        `given` None is the first frame.
        """
        self.vae_config.latent_shape(*frames.shape[1:4])
        return self._encode(reference_frames(jnp.asarray(frames), given), tiling)

    def blank_reference(
        self, frames: int, height: int, width: int, tiling: Tiling | None = None
    ) -> Float[Array, "t h w z"]:
        """Return the encoding of all-zero frames: the reference of a clip that has none."""
        return self._encode(jnp.zeros((1, frames, height, width, 3)), tiling)[0]

    def decode(
        self, latents: Float[Array, "B t h w z"], tiling: Tiling | None = None
    ) -> UInt8[np.ndarray, "B T H W 3"]:
        """Return the frames of normalised latents; in chunks as `encode_video`."""
        stride = self.vae_config.time_stride * self.vae_config.space_stride**2
        positions = prod(latents.shape[1:4]) * stride
        if tiling is not None or positions > WHOLE:
            frames = decode_clip(self.vae, self.vae_params, latents, tiling)
            return np.clip(np.round((frames + 1.0) * 127.5), 0, 255).astype(np.uint8)
        return np.asarray(_decode(self.vae, self.vae_params, latents))

    def _encode(self, frames: jax.Array, tiling: Tiling | None) -> jax.Array:
        if tiling is not None or prod(frames.shape[1:4]) > WHOLE:
            return jnp.asarray(encode_clip(self.vae, self.vae_params, frames, tiling))
        return _encode_whole(self.vae, self.vae_params, frames)

    def velocity(
        self, expert: int, latents: jax.Array, timestep: jax.Array, conditions: Conditions
    ) -> Float[Array, "B t h w z"]:
        """Return one expert's velocity; timestep [B] = 1000·sigma."""
        given = self.spread((latents, timestep, conditions))
        with kernels_on(self.devices):
            return _apply(self.transformer, self.active(expert), *given)

    def spread(self, tree: Any) -> Any:
        """Return arrays of which every device of the experts' mesh has the whole."""
        return tree if self.mesh is None else jax.device_put(tree, replicated(self.mesh))


def load_model(name: str | Path, mesh: Mesh | None = None, *, offload: bool = False) -> Model:
    """Return the model that `name` says; raises ValueError where there is none (`find_model`).

    `mesh` and `offload` are where its experts are (`Model`).
    """
    folder = find_model(name)
    return Model(folder, read_card(folder), mesh=mesh, offload=offload)


# Compiled once for equal sizes, whichever folder the weights come from.


@partial(jax.jit, static_argnums=0)
def _apply(network: Any, params: Any, *inputs: Any) -> Any:
    return network.apply(params, *inputs)


@partial(jax.jit, static_argnums=0)
def _encode_whole(vae: VAE, params: Any, frames: jax.Array) -> Any:
    return vae.apply(params, to_unit(frames), method="encode")


@partial(jax.jit, static_argnums=0)
def _decode(vae: VAE, params: Any, latents: jax.Array) -> jax.Array:
    frames: Any = vae.apply(params, latents, method="decode")
    return jnp.clip(jnp.round((frames + 1.0) * 127.5), 0, 255).astype(jnp.uint8)


def _present[Part](part: Part | None, name: str, folder: Path) -> Part:
    if part is None:
        raise ValueError(f"the model folder {folder} has no {name}")
    return part
