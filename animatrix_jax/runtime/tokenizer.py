"""Text to token ids, padded with 0 to one length."""

import functools
import os
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from jaxtyping import Int

TOKENIZERS = ("byte",)
BYTE_VOCAB, BYTE_MASK = 384, 259

Tokenize = Callable[[Sequence[str]], Int[np.ndarray, "n L"]]


@functools.cache
def _byte_tokenizer() -> Any:
    # The library would announce the absence of torch, which nothing here needs.
    os.environ.setdefault("TRANSFORMERS_NO_ADVISORY_WARNINGS", "1")
    from transformers import ByT5Tokenizer

    return ByT5Tokenizer()


def make_tokenizer(name: str, length: int) -> Tokenize:
    """Return a function from texts to int32 ids [n, length], cut or zero-padded to `length`.

    `byte` is ByT5's: ids 3 to 258 are bytes, 1 ends a text. Raises ValueError for another name.
    """
    if name not in TOKENIZERS:
        raise ValueError(f"there is no tokenizer {name!r}: there is {', '.join(TOKENIZERS)}")

    def tokenize(texts: Sequence[str]) -> np.ndarray:
        ids = _byte_tokenizer()(
            list(texts), padding="max_length", truncation=True, max_length=length
        )["input_ids"]
        return np.asarray(ids, np.int32)

    return tokenize
