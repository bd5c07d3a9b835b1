"""The gallery shows every tag in a setting that shows it, and every fault beside its absence."""

import re
from collections import Counter
from pathlib import Path

import pytest

from animatrix_data.corpus.video import decode_video
from animatrix_data.procedural import DRAWABLE, Size
from animatrix_data.procedural.effects import EFFECTS
from animatrix_data.procedural.faults import FAULTS, Fault, conflict
from animatrix_data.procedural.motion import MOTIONS
from animatrix_data.procedural.sampler import check_drawable
from animatrix_jax.jobs import draw, gallery

SIZE = Size(32, 32, 3, 8)


def test_every_tag_has_a_plate_in_which_it_can_be_read() -> None:
    book = gallery.chapters()
    plates = [plate for axis in "SMCV" for plate in book[axis]]
    for field, names in DRAWABLE.items():
        for name in names:
            shown = [p for p in plates if name in [tag.name for tag in p.spec.get(field)]]
            assert shown, (field, name)
    for plate in plates:
        check_drawable(plate.spec)
    for plate in book["V"]:
        (effect,) = plate.spec.get("VFX")
        assert plate.spec.get("ShotScale")[0].name in EFFECTS[effect.name].shots
    for plate in book["M"]:
        for motion in plate.spec.get("MotionType"):
            assert plate.spec.get("ShotScale")[0].name in MOTIONS[motion.name].shots
    stems = Counter(plate.stem for plate in [*plates, *book["faults"]])
    assert set(stems.values()) == {1}


def test_a_fault_stands_beside_the_same_clip_without_it() -> None:
    pairs = gallery.chapters()["faults"]
    assert [plate.title for plate in pairs[::2]] == list(FAULTS)
    for sound, broken in zip(pairs[::2], pairs[1::2], strict=True):
        assert (sound.spec, sound.seed) == (broken.spec, broken.seed)
        assert not sound.fault and broken.fault == sound.title
        assert conflict(Fault(broken.fault, gallery.SEVERITY), broken.spec) is None


def test_the_page_shows_the_clips_that_are_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    book = {axis: plates[:2] for axis, plates in gallery.chapters().items()}
    monkeypatch.setattr(gallery, "chapters", lambda seed=0: book)
    page = gallery.draw_gallery(tmp_path / "book", SIZE)
    named = set(re.findall(r'"(clips/[\w.-]+)"', page.read_text()))
    assert named == {f"clips/{path.name}" for path in (tmp_path / "book" / "clips").iterdir()}
    assert len(named) == 2 * sum(map(len, book.values()))
    clip = decode_video(next((tmp_path / "book").glob("clips/*.mp4")))
    assert clip.frames.shape == (3, 64, 64, 3)


def test_a_gallery_of_some_tags_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="the gallery shows every tag"):
        draw.run(tmp_path / "book", gallery=True, tags="VFX: Rain")
    assert not (tmp_path / "book").exists()
