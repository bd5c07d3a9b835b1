"""Tokenizers: bytes without files, and a model folder's own with Wan's cleaning before it."""

from pathlib import Path

import numpy as np
import pytest

from animatrix_jax.runtime.tokenizer import clean_text, make_tokenizer
from tests.tiny import write_tokenizer


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_tokenizer(tmp_path)
    return tmp_path


def test_prompts_are_cleaned_as_wan_cleans_them() -> None:
    assert clean_text("  a\n girl &amp;amp; a\tboy ") == "a girl & a boy"
    assert clean_text("cafÃ©") == "café"
    assert clean_text("") == ""


def test_a_folders_tokenizer_ends_cuts_and_pads(folder: Path) -> None:
    tokenize = make_tokenizer("files", 5, folder)
    ids = tokenize(["a girl &amp;amp; cafÃ©", "a", "", "a a a a a a a"])
    assert ids.dtype == np.int32
    assert ids.tolist() == [[3, 4, 5, 6, 1], [3, 1, 0, 0, 0], [1, 0, 0, 0, 0], [3, 3, 3, 3, 1]]
    assert make_tokenizer("files", 2, folder)(["a girl"]).tolist() == [[3, 1]]
    assert tokenize(["a a a a a a"]).shape == (1, 5)


def test_bytes_need_no_files() -> None:
    assert make_tokenizer("byte", 4)(["ab", "abcdef"]).tolist() == [
        [100, 101, 1, 0],
        [100, 101, 102, 1],
    ]


def test_what_is_no_tokenizer_is_said(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no tokenizer 'bytes'"):
        make_tokenizer("bytes", 4)
    with pytest.raises(ValueError, match=r"has no tokenizer.tokenizer\.json"):
        make_tokenizer("files", 4, tmp_path)
    (tmp_path / "tokenizer").mkdir()
    (tmp_path / "tokenizer" / "tokenizer.json").write_text("{}")
    with pytest.raises(ValueError, match="is not a tokenizer"):
        make_tokenizer("files", 4, tmp_path)(["a"])
