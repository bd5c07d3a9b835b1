"""The distinct sampler asks for what differs clearly, where it can be seen."""

from collections import Counter
from typing import Any

import numpy as np
import pytest
import skia

from animatrix_data.procedural import Size, draw_clip, sample_faults, sample_spec
from animatrix_data.procedural.camera import MOVEMENTS
from animatrix_data.procedural.faults import BODY_SHOTS, FAULTS, conflict
from animatrix_data.procedural.sampler import check_drawable
from animatrix_data.procedural.sampler.distinct import (
    BROKEN,
    DENSE,
    EFFECTS,
    EMOTIONS,
    FILLING,
    HIDDEN,
    KINDS,
    LASTING,
    MOTIONS,
    clear_way,
    shows_place,
)
from animatrix_data.procedural.sampler.drawable import readable_shots
from animatrix_data.procedural.sampler.visible import possible
from animatrix_data.procedural.scene import Scene
from animatrix_data.taxonomy import ProductionSpec, parse_tags
from animatrix_data.taxonomy.vocabulary import load_vocabulary

COUNT = 3000
SPECS = [sample_spec(seed, "distinct") for seed in range(COUNT)]


def test_everything_asked_for_can_be_seen() -> None:
    for spec in SPECS:
        check_drawable(spec)
        (shot,), (angle,) = spec.get("ShotScale"), spec.get("ShotAngle")
        (move,), effects = spec.get("CameraMotion"), spec.get("VFX")
        assert clear_way(move, shot.name, angle.name)
        if move.name != "Static":
            assert shot.name in BODY_SHOTS and shows_place(spec)
            assert move.amplitude in (None, "medium", "high")
        for tag in (*spec.get("MotionType"), *effects, *spec.get("Emotion")):
            assert shot.name in readable_shots(tag), str(spec)


def test_planes_that_keep_pace_are_not_asked_to_part() -> None:
    inwards, around = set(), set()
    for spec in SPECS:
        (move,), (angle,) = spec.get("CameraMotion"), spec.get("ShotAngle")
        if move.name == "Follow" and move.direction in ("in", "out"):
            inwards.add(angle.name)
        elif move.name == "Orbit":
            around.add(angle.name)
    assert inwards == {"Eye Level", "Low Angle", "Dutch Angle"}
    assert around == {*inwards, "Overhead"}


@pytest.mark.parametrize(
    ("words", "seen"),
    [
        ("hug, ShotScale: medium shot, ShotAngle: eye level", False),
        ("hug, ShotScale: full shot, ShotAngle: low angle", True),
        ("swim, ShotScale: full shot, ShotAngle: low angle", False),
        ("swim, ShotScale: full shot, ShotAngle: eye level", True),
        ("run, ShotScale: close-up, ShotAngle: eye level", False),
        ("run, ShotScale: long shot, ShotAngle: eye level, VFX: Snow", True),
        ("run, ShotScale: full shot, ShotAngle: eye level, VFX: Snow", False),
        ("run, ShotScale: full shot, ShotAngle: eye level, VFX: Explosion", True),
        ("sit, ShotScale: medium shot, ShotAngle: eye level, VFX: Explosion", False),
        ("run, ShotScale: full shot, ShotAngle: eye level, VFX: Heavy Rain", False),
    ],
)
def test_a_place_is_seen_beside_figures_and_behind_effects(words: str, seen: bool) -> None:
    assert shows_place(parse_tags(f"MotionType: {words}")) is seen


def without_figures(spec: ProductionSpec, seed: int, size: Size) -> np.ndarray:
    """Return the frames of a clip whose figures are not drawn."""
    plain = Scene._draw_actor

    def unseen(scene: Scene, canvas: skia.Canvas, *of: Any) -> dict[str, tuple[float, float]]:
        canvas.save()
        canvas.clipRect(skia.Rect(0, 0, 0, 0))
        points = plain(scene, canvas, *of)
        canvas.restore()
        return points

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Scene, "_draw_actor", unseen)
        return draw_clip(spec, seed, size).frames


def test_figures_that_fill_the_frame_hide_half_of_the_place() -> None:
    size = Size(48, 48, 3, 2)

    def hidden(words: str) -> float:
        spec, shares = parse_tags(words), []
        for seed in range(4):
            with_them = draw_clip(spec, seed, size).frames.astype(int)
            alone = without_figures(spec, seed, size)
            shares.append((np.abs(with_them - alone).max(axis=-1) >= 16).mean())
        return float(np.mean(shares))

    for shot, angle, motions in FILLING:
        for name in motions:
            words = f"ShotScale: {shot}, ShotAngle: {angle or 'Eye Level'}"
            assert hidden(f"MotionType: {name}, {words}") > 0.45
    assert hidden("MotionType: run, ShotScale: Full Shot, ShotAngle: Eye Level") < 0.3


def texture_lost(frames: np.ndarray, place: np.ndarray) -> float:
    """Return in which share of the textured squares of a place frames look otherwise."""

    def squares(of: np.ndarray) -> np.ndarray:
        grey = of.mean(axis=-1).reshape(len(of), 8, 16, 8, 16).transpose(0, 1, 3, 2, 4)
        flat = grey.reshape(-1, 256)
        return flat - flat.mean(axis=-1, keepdims=True)

    seen, true = squares(frames), squares(place)
    alike = (seen * true).sum(axis=-1) / (
        np.linalg.norm(seen, axis=-1) * np.linalg.norm(true, axis=-1) + 1e-3
    )
    return float((alike[true.std(axis=-1) > 3] < 0.7).mean())


def test_dense_effects_hide_half_of_a_place_with_a_figure() -> None:
    size = Size(128, 128, 2, 1)

    def lost(shot: str, effect: str) -> float:
        words = f"MotionType: dance, ShotScale: {shot}, ShotAngle: Eye Level"
        clear, veiled = parse_tags(words), parse_tags(f"{words}{effect}")
        pairs = [(draw_clip(veiled, n, size).frames, without_figures(clear, n, size))
                 for n in range(4)]  # fmt: skip
        return float(np.mean([texture_lost(*pair) for pair in pairs]))

    for shot, effects in DENSE:
        for name in effects:
            assert lost(shot, f", VFX: {name}") > 0.5, (shot, name)
    assert lost("Full Shot", "") < 0.45


def test_a_part_of_the_vocabulary_is_drawn_evenly_and_shows_every_category_of_effects() -> None:
    for field, names in (("MotionType", MOTIONS), ("VFX", EFFECTS), ("Emotion", EMOTIONS)):
        seen = Counter(tag.name for spec in SPECS for tag in spec.get(field))
        mean = sum(seen.values()) / len(names)
        assert set(seen) == set(names) and min(seen.values()) > mean - 4.5 * mean**0.5
    terms = load_vocabulary().of_field("VFX")
    drawn = {tag.category for spec in SPECS for tag in spec.get("VFX")}
    assert drawn == {term.category for term in terms} and len(drawn) == 7
    moves = Counter(tag.name for spec in SPECS for tag in spec.get("CameraMotion"))
    assert set(moves) == set(MOVEMENTS)
    moving = [number for name, number in moves.items() if name != "Static"]
    assert min(moving) > 0.7 * max(moving)


def test_faults_avoid_what_hides_them() -> None:
    kinds: Counter[str] = Counter()
    for seed, spec in enumerate(SPECS):
        names = {tag.name for tag in spec.tags}
        for fault in sample_faults(seed, "distinct_faulty", spec):
            assert conflict(fault, spec) is None and 0.7 <= fault.severity <= 1
            assert not names & set(dict(HIDDEN).get(fault.kind, ()))
            kinds[fault.kind] += 1
    assert set(kinds) == set(FAULTS) and 0.4 < sum(kinds.values()) / COUNT < 0.6
    assert all(kinds[kind] > COUNT / 40 for kind in dict(KINDS) if kind != "limb")
    assert kinds["limb"] > COUNT / 80


def test_what_learns_of_single_frames_sees_a_fault_in_most_clips_and_often_arms() -> None:
    kinds = Counter(fault.kind for seed in range(300) for fault in sample_faults(seed, "broken"))
    assert set(kinds) == {kind for kind, share in LASTING if share}
    assert 90 < kinds["limb"] < sum(kinds.values()) / 1.2
    for seed in range(300):
        spec = sample_spec(seed, "broken")
        for fault in sample_faults(seed, "broken", spec):
            assert conflict(fault, spec) is None and possible(fault.kind, spec, BROKEN)
