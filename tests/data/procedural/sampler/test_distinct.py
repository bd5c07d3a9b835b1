"""The distinct sampler asks for what differs clearly, where it can be seen."""

from collections import Counter

from animatrix_data.procedural import sample_faults, sample_spec
from animatrix_data.procedural.camera import MOVEMENTS
from animatrix_data.procedural.faults import BODY_SHOTS, FAULTS, conflict
from animatrix_data.procedural.sampler import check_drawable
from animatrix_data.procedural.sampler.distinct import (
    EFFECTS,
    EMOTIONS,
    HIDDEN,
    KINDS,
    MOTIONS,
    VEILS,
    clear_way,
)
from animatrix_data.procedural.sampler.drawable import readable_shots
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
            assert shot.name in BODY_SHOTS and not {tag.name for tag in effects} & set(VEILS)
            assert move.amplitude in (None, "medium", "high")
        for tag in (*spec.get("MotionType"), *effects, *spec.get("Emotion")):
            assert shot.name in readable_shots(tag), str(spec)


def test_a_follow_inwards_is_asked_for_only_where_it_differs_from_a_dolly_zoom() -> None:
    angles = set()
    for spec in SPECS:
        (move,), (angle,) = spec.get("CameraMotion"), spec.get("ShotAngle")
        if move.name == "Follow" and move.direction in ("in", "out"):
            angles.add(angle.name)
    assert angles == {"Eye Level", "Low Angle", "Dutch Angle"}


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
            assert conflict(fault, spec) is None and 0.5 <= fault.severity <= 1
            assert not names & set(dict(HIDDEN).get(fault.kind, ()))
            kinds[fault.kind] += 1
    assert set(kinds) == set(FAULTS) and 0.4 < sum(kinds.values()) / COUNT < 0.6
    assert all(kinds[kind] > COUNT / 40 for kind in dict(KINDS))
