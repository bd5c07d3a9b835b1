"""Files are whole or absent."""

from pathlib import Path

import pytest

from animatrix_data.files import check_writable, whole_file, whole_folder


def test_a_file_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    target = tmp_path / "new" / "a.txt"
    with whole_file(target) as temporary:
        assert temporary.suffix == ".txt"
        temporary.write_text("one")
        assert not target.exists()
    assert target.read_text() == "one"
    with pytest.raises(RuntimeError), whole_file(target) as temporary:
        temporary.write_text("two")
        raise RuntimeError
    assert target.read_text() == "one"
    assert [path.name for path in target.parent.iterdir()] == ["a.txt"]


def test_a_folder_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    target = tmp_path / "out"
    with pytest.raises(RuntimeError), whole_folder(target) as temporary:
        (temporary / "a").touch()
        raise RuntimeError
    assert not list(tmp_path.iterdir())
    target.mkdir()
    with whole_folder(target) as temporary:
        (temporary / "a").touch()
    assert [path.name for path in target.iterdir()] == ["a"]
    with pytest.raises(ValueError, match="not an empty folder"), whole_folder(target):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_place_is_tried_before_the_work(tmp_path: Path) -> None:
    check_writable(tmp_path / "new" / "folder" / "clip.mp4")
    (tmp_path / "file").write_text("kept")
    check_writable(tmp_path / "file")
    with pytest.raises(OSError, match=r"file'$") as failure:
        check_writable(tmp_path / "file" / "clip.mp4")
    assert failure.value.filename == str(tmp_path / "file")
    with pytest.raises(OSError, match=r"/proc"):
        check_writable("/proc/clip.mp4")
    assert [p.name for p in tmp_path.iterdir()] == ["file"]
    assert (tmp_path / "file").read_text() == "kept"
