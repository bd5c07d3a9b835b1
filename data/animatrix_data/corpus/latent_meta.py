"""What a latent cache was made from, and how a cache of something else is told apart."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from animatrix_data.files import whole_file

type Bucket = tuple[int, int, int]
"""Latent frames, height and width."""

META_NAME = "meta.json"
DTYPES = ("float16", "bfloat16")


@dataclass(frozen=True)
class TextMeta:
    """What the text states of a cache were made from.

    `digest` is that of the text encoder and its tokenizer, `wordings` how many texts a clip has,
    `length` the most tokens of one, `width` the states' last dimension; `rates` says how the
    wordings were perturbed (paper 4.2) and `seed` drew them.
    """

    digest: str
    wordings: int
    length: int
    width: int
    rates: str = ""
    seed: int = 0

    def __post_init__(self) -> None:
        if min(self.wordings, self.length, self.width) < 1:
            raise ValueError(
                f"Text states need a wording, a token and a number at least, not {self.wordings} "
                f"wordings of {self.length} tokens of {self.width} numbers."
            )


@dataclass(frozen=True)
class LatentMeta:
    """What a cache was made from: digests of the VAE and of the corpus, its clips, its numbers.

    `ids[k]` and `buckets[k]` are the clip id and the latent (t, h, w) of row k, None for a clip
    that cannot be encoded, whose reason `left_out` gives by id; `channels` is the latent's last
    dimension. `fitted` names the buckets of a sub-stage that clips were fitted to ("" for their
    own shapes), `text` is None without text states. `command` is what made the cache and goes on
    with it.
    """

    vae_digest: str
    corpus_digest: str
    ids: tuple[str, ...]
    buckets: tuple[Bucket | None, ...]
    channels: int
    dtype: str = "float16"
    left_out: Mapping[str, str] = field(default_factory=dict)
    fitted: str = ""
    text: TextMeta | None = None
    command: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        if self.dtype not in DTYPES:
            raise ValueError(f"Latents are kept as {' or '.join(DTYPES)}, not {self.dtype!r}.")
        if len(self.ids) != len(self.buckets) or not self.ids:
            raise ValueError(
                f"A latent cache needs one bucket per clip and a clip at least, not "
                f"{len(self.ids)} clips and {len(self.buckets)} buckets."
            )
        bare = {clip for clip, b in zip(self.ids, self.buckets, strict=True) if b is None}
        assert bare == set(self.left_out), "clips without a bucket are those left out"


def write_meta(path: Path, meta: LatentMeta, writer: str) -> None:
    """Write `path`/meta.json, whole or not at all; `writer` tells processes of one cache apart."""
    shapes: dict[Bucket | None, int] = {}
    places = [shapes.setdefault(bucket, len(shapes)) for bucket in meta.buckets]
    # A million clips have few shapes: rows name theirs by its place.
    record = asdict(meta) | {"buckets": places, "shapes": list(shapes)}
    # Two hosts may share a process number of the system, never a `writer`.
    own = path / f".meta-{writer}.json"
    with whole_file(own) as temporary:
        temporary.write_text(json.dumps(record))
    own.replace(path / META_NAME)


def read_meta(path: Path) -> LatentMeta:
    """Read `path`/meta.json. Raises ValueError where there is none or it is damaged."""
    try:
        record = json.loads((path / META_NAME).read_text())
        shapes = [None if shape is None else tuple(shape) for shape in record.pop("shapes")]
        record["ids"] = tuple(record["ids"])
        record["buckets"] = tuple(shapes[place] for place in record["buckets"])
        if record["text"] is not None:
            record["text"] = TextMeta(**record["text"])
        return LatentMeta(**record)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise ValueError(f"{path} is not a latent cache: it holds no {META_NAME}.") from error
    except (TypeError, KeyError, IndexError, ValueError, AttributeError) as error:
        raise ValueError(
            f"{path / META_NAME} cannot be read: encode the corpus again, into another folder."
        ) from error


def check_digest(path: Path, what: str, asked: str | None, found: str) -> None:
    """Raise ValueError where a cache was made `what` (another VAE, …); None asks for nothing."""
    if asked is not None and asked != found:
        raise ValueError(
            f"The latent cache {path} was made {what} ({found[:12]}, not {asked[:12]}): "
            "encode the corpus again."
        )


def check_same(path: Path, asked: LatentMeta, found: LatentMeta) -> None:
    """Raise ValueError with the first thing in which the cache at `path` is not what is asked."""
    check_digest(path, "by another VAE", asked.vae_digest, found.vae_digest)
    check_digest(path, "from another corpus", asked.corpus_digest, found.corpus_digest)
    wanted, kept = asked.text, found.text
    if wanted and kept:
        check_digest(path, "by another text encoder", wanted.digest, kept.digest)
    wanted_and_kept = (
        ("latents", asked.dtype, found.dtype),
        ("clips fitted to", asked.fitted or "their own shapes", found.fitted or "their own shapes"),
        ("wordings", wanted.wordings if wanted else 0, kept.wordings if kept else 0),
        ("texts of at most so many tokens:", wanted and wanted.length, kept and kept.length),
        ("wordings drawn by seed", wanted and wanted.seed, kept and kept.seed),
        ("wordings perturbed by", wanted and wanted.rates, kept and kept.rates),
    )
    _check_equal(path, wanted_and_kept)
    if asked != found:
        raise ValueError(f"{path} holds a latent cache of another shape or order of clips.")


def check_fits(
    path: Path, found: LatentMeta, fitted: str, text_length: int, rates: str | None
) -> None:
    """Raise ValueError where the cache at `path` cannot serve clips `fitted` so.

    `text_length` and `rates` are those of the text states that are needed, None for rates where
    none are.
    """
    wanted: list[tuple[str, object, object]] = [
        ("clips fitted to", fitted or "their own shapes", found.fitted or "their own shapes")
    ]
    if rates is not None and found.text is not None:
        length = found.text.length
        wanted += [
            ("texts of at most so many tokens:", text_length, length),
            ("wordings perturbed by", rates, found.text.rates),
        ]
    _check_equal(path, wanted)


def _check_equal(path: Path, wanted: Sequence[tuple[str, object, object]]) -> None:
    for what, one, other in wanted:
        if one != other:
            raise ValueError(
                f"The latent cache {path} holds {what} {other}, not {one}: encode into another "
                "folder."
            )
