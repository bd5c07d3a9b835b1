"""Acting: dialects, deformation, faces and company."""

import numpy as np
import pytest

from animatrix_data.procedural.acting import REACH, Actor, Shooting, cast
from animatrix_data.procedural.content import FREE, sample_content
from animatrix_data.procedural.expressions import EMOTIONS
from animatrix_data.procedural.framing import SHOTS
from animatrix_data.procedural.interactions import COMPANIES
from animatrix_data.procedural.motion import MOTIONS
from animatrix_data.procedural.scene import Scene, Size
from animatrix_data.procedural.timing import KINETICS
from animatrix_data.taxonomy.tags import ProductionSpec, Tag

CONTENT = sample_content(5, FREE)
POCKET = Size(64, 64, 17, 8)
WITH_COMPANY = [name for name in MOTIONS if MOTIONS[name].company]


def spec_of(**tags: str) -> ProductionSpec:
    return ProductionSpec(tuple(Tag(field, name) for field, name in tags.items()))


def acted(frames: int = 33, deformation: float = 0.0, pixels: int = 0, **tags: str) -> list[Actor]:
    spec = spec_of(**tags)
    kinetics = KINETICS[tags.get("MotionStyle", "2D Daily")]
    framing = SHOTS[tags.get("ShotScale", "Full Shot")](kinetics.build)
    shooting = Shooting(framing, frames, 16, 5, deformation, pixels)
    return cast(spec, CONTENT, kinetics, shooting)


def track(actor: Actor, joint: str) -> np.ndarray:
    return np.array([getattr(pose, joint) for pose in actor.poses])


def test_speed_is_the_rate_of_the_cycle() -> None:
    def turns(speed: str) -> int:
        (actor,) = acted(frames=129, MotionType="wave", MotionSpeed=speed)
        return int((np.diff(np.sign(np.diff(track(actor, "elbow_r")))) != 0).sum())

    low, medium, high = (turns(speed) for speed in ("low", "medium", "high"))
    assert medium == pytest.approx(2 * low, abs=1) and high == pytest.approx(2 * medium, abs=1)


def test_combat_braces_forward_holds_and_whips() -> None:
    (daily,), (combat,) = (
        acted(MotionType="wave", MotionStyle=s) for s in ("2D Daily", "2D Combat")
    )
    assert track(combat, "lean").mean() > track(daily, "lean").mean() + 0.1
    assert track(combat, "leg_r").mean() > track(daily, "leg_r").mean() + 0.2
    steps = np.abs(np.diff(track(combat, "elbow_r")))
    assert np.median(steps) < 0.05 * steps.max()
    assert combat.looks[0].smear > 0 == daily.looks[0].smear


def test_mocap_is_never_still() -> None:
    (actor,) = acted(MotionType="stand", MotionStyle="3D Mocap", MotionAmplitude="low")
    assert (np.abs(np.diff(track(actor, "arm_r"))) > 0).all()


def test_all_drawings_of_a_moving_body_keep_within_reach() -> None:
    for name in MOTIONS:
        for actor in acted(MotionType=name, MotionAmplitude="high", MotionStyle="2D Sakuga"):
            tall = SHOTS["Full Shot"](KINETICS["2D Sakuga"].build).height
            for joint in ("x", "lift", "shear"):
                assert np.abs(track(actor, joint)).max() * tall <= REACH + 1e-9


@pytest.mark.parametrize("style", ["2D Daily", "2D Sakuga", "2D Combat"])
@pytest.mark.parametrize("motion", ["walk", "sob", "hug"])
def test_deformation_deforms_more_and_more(style: str, motion: str) -> None:
    asked = np.linspace(0, 1, 6)
    tags = {"MotionType": motion, "MotionStyle": style}
    actors = [acted(deformation=d, **tags)[0] for d in asked]
    assert (np.diff([np.abs(track(a, "stretch")).max() for a in actors]) > 0).all()
    assert (np.diff([np.abs(track(a, "shear")).max() for a in actors]) > -1e-9).all()
    assert (np.diff([a.looks[0].smear for a in actors]) >= 0).all()
    told = [Scene(spec_of(**tags), CONTENT, 5, POCKET, d).deformation for d in asked]
    assert (np.diff(told) > 0).all() and told[0] >= 0 and told[-1] < 1


def test_deformation_is_seen() -> None:
    plain, *deformed = (
        Scene(spec_of(MotionType="walk"), CONTENT, 5, POCKET, d).render()[0].astype(float)
        for d in (0.0, 0.3, 0.6, 1.0)
    )
    apart = [np.abs(frames - plain).mean() for frames in deformed]
    assert 1.0 < apart[0] < apart[1] < apart[2]


def test_two_hold_each_other_in_the_frame() -> None:
    for name in WITH_COMPANY:
        for facing in (1, -1):
            actors = acted(MotionType=name)
            assert len(actors) >= 2 and actors[0].content == CONTENT
            assert len({actor.content for actor in actors}) == len(actors)
            for style in ("2D Daily", "2D Gag"):
                framing = SHOTS["Full Shot"](KINETICS[style].build)
                for actor in acted(MotionType=name, MotionStyle=style):
                    at = actor.x + facing * track(actor, "x")
                    assert np.abs(at * framing.height).max() < 0.47, name
    first, second = acted(MotionType="duel")
    assert first.facing == -second.facing and first.x == -second.x != 0
    ahead, behind = acted(MotionType="chase")
    assert ahead.facing == behind.facing and (ahead.x - behind.x) * ahead.facing > 0


def test_the_other_differs_in_hair_and_outfit() -> None:
    for name in WITH_COMPANY:
        first, *others = acted(MotionType=name)
        for other in others:
            assert other.content.hair_colour != first.content.hair_colour
            assert other.content.outfit_colour != first.content.outfit_colour
            assert other.content.place == first.content.place


def test_an_emotion_is_on_every_face_and_outweighs_the_motions_own() -> None:
    for actor in acted(MotionType="hug", Emotion="anger"):
        assert {look.expression.frown for look in actor.looks} == {EMOTIONS["anger"].frown}
    (laughing,) = acted(MotionType="laugh")
    assert {look.expression.eyes for look in laughing.looks} == {"arcs"}


def test_a_large_face_blinks_now_and_then_and_a_small_one_never() -> None:
    (large,) = acted(frames=65, pixels=128, MotionType="stand", ShotScale="Close-Up")
    shut = [look.expression.lid == 0 for look in large.looks]
    assert 0 < sum(shut) < 0.2 * len(shut)
    (small,) = acted(frames=65, pixels=64, MotionType="stand", ShotScale="Full Shot")
    assert all(look.expression.lid > 0 for look in small.looks)


def test_what_is_held_changes_with_the_motion() -> None:
    spec = ProductionSpec((Tag("MotionType", "walk"), Tag("MotionType", "hold")))
    daily = KINETICS["2D Daily"]
    shooting = Shooting(SHOTS["Full Shot"](daily.build), 8, 8, 5)
    (actor,) = cast(spec, CONTENT, daily, shooting)
    assert actor.props == ("",) * 4 + ("box",) * 4


def test_every_company_is_kept_by_a_motion() -> None:
    assert {MOTIONS[name].company for name in WITH_COMPANY} == set(COMPANIES)


def test_the_truth_follows_a_figure_that_rolls() -> None:
    truth = Scene(spec_of(MotionType="fall"), CONTENT, 5, POCKET).render()[1]["keypoints"]
    head, foot = (np.array(truth[name]) for name in ("head", "foot_r"))
    assert (head[:, 1] > foot[:, 1]).mean() > 0.8
    level = Scene(spec_of(MotionType="fly"), CONTENT, 5, POCKET).render()[1]["keypoints"]
    across = np.array(level["head"]) - np.array(level["foot_r"])
    assert (np.abs(across[:, 0]) > 1.5 * np.abs(across[:, 1])).all()
