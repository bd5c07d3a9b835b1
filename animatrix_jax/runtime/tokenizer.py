"""Text to token ids, padded with 0 to one length."""

import functools
import html
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import ftfy
import numpy as np
from jaxtyping import Int

from animatrix_jax.checkpoint.folder import TOKENIZER

TOKENIZERS = ("byte", "files")
TOKENIZER_FILE = Path(TOKENIZER) / "tokenizer.json"
BYTE_VOCAB, BYTE_MASK = 384, 259

Tokenize = Callable[[Sequence[str]], Int[np.ndarray, "n L"]]


def make_tokenizer(name: str, length: int, folder: Path | None = None) -> Tokenize:
    """Return a function from texts to int32 ids [n, length], cut or zero-padded to `length`.

    `byte` is ByT5's: ids 3 to 258 are bytes, 1 ends a text. `files` is the tokenizer of a model
    folder (umT5's, in Wan), which gets its texts cleaned as Wan cleans them. Raises ValueError for
    another name, or where the folder has no tokenizer.
    """
    if name not in TOKENIZERS:
        raise ValueError(f"there is no tokenizer {name!r}: there is {', '.join(TOKENIZERS)}")
    if name == "byte":
        return functools.partial(_byte_ids, length=length)
    path = None if folder is None else folder / TOKENIZER_FILE
    if path is None or not path.is_file():
        raise ValueError(f"the model folder {folder} has no {TOKENIZER_FILE}")
    return functools.partial(_file_ids, path, length=length)


def clean_text(text: str) -> str:
    """Return a prompt as Wan's encoder reads it: mended, unescaped twice, single-spaced."""
    return " ".join(html.unescape(html.unescape(ftfy.fix_text(text))).split())


def _byte_ids(texts: Sequence[str], length: int) -> Int[np.ndarray, "n L"]:
    ids = _byte_tokenizer()(list(texts), padding="max_length", truncation=True, max_length=length)
    return np.asarray(ids["input_ids"], np.int32)


@functools.cache
def _byte_tokenizer() -> Any:
    # The library would announce the absence of torch, which nothing here needs.
    os.environ.setdefault("TRANSFORMERS_NO_ADVISORY_WARNINGS", "1")
    from transformers import ByT5Tokenizer

    return ByT5Tokenizer()


def _file_ids(path: Path, texts: Sequence[str], length: int) -> Int[np.ndarray, "n L"]:
    tokenizer = _file_tokenizer(path)
    tokenizer.enable_truncation(length)
    ids = np.zeros((len(texts), length), np.int32)
    for row, text in zip(ids, texts, strict=True):
        found = tokenizer.encode(clean_text(text)).ids
        row[: len(found)] = found
    return ids


@functools.cache
def _file_tokenizer(path: Path) -> Any:
    from tokenizers import Tokenizer

    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises bare Exception
        raise ValueError(f"{path} is not a tokenizer: {error}") from error
    tokenizer.no_padding()
    return tokenizer
