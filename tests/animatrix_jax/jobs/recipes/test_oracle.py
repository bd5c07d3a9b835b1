"""The oracle recipe: what a sample shows, what it is told, and a whole run in small."""

import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from animatrix_data.procedural.oracles import NOTHING, sampler_labels
from animatrix_data.taxonomy import parse_tags
from animatrix_jax.evaluation.oracles import load_oracles
from animatrix_jax.jobs import draw, train
from animatrix_jax.jobs.recipes.oracle import FIELDS
from animatrix_jax.jobs.recipes.oracle_clips import (
    RIPE,
    Clips,
    frame_targets,
    framed_batch,
    place,
    point_truth,
    shown_batch,
    target_rows,
)
from animatrix_jax.jobs.recipes.oracle_closer import ASIDE, _beside, _pools
from animatrix_jax.jobs.recipes.oracle_exam import Exam, accuracy_tables
from animatrix_jax.jobs.recipes.oracle_looks import joined, judging, look, looked_batch
from animatrix_jax.jobs.recipes.recipe import batch_random
from animatrix_jax.models.oracle import OracleConfig, OracleNet

SPECS = [parse_tags("CameraMotion: pan left"), parse_tags("CameraMotion: static, VFX: Rain")]


def test_targets_name_what_is_asked_and_mirror_the_camera() -> None:
    labels = sampler_labels("rehearsed", ("CameraMotion", "VFX"))
    sound = (frozenset[str](),) * 2
    rows, mirrored = (target_rows(SPECS, sound, labels, flip) for flip in (False, True))
    named = [labels["CameraMotion"][i] for i in rows["CameraMotion"].argmax(1)]
    assert named == ["Pan left", "Static"]
    named = [labels["CameraMotion"][i] for i in mirrored["CameraMotion"].argmax(1)]
    assert named == ["Pan right", "Static"]
    assert [labels["VFX"][i] for i in rows["VFX"].argmax(1)] == [NOTHING, "Rain"]
    np.testing.assert_allclose(rows["VFX"].sum(1), 1.0)


def test_targets_are_empty_where_nothing_is_said_and_name_faults() -> None:
    labels = {"ShotScale": ("Close-Up", "Long Shot"), "Fault:tear": (NOTHING, "tear")}
    rows = target_rows(SPECS, (frozenset({"tear"}), frozenset()), labels)
    np.testing.assert_array_equal(rows["ShotScale"], np.zeros((2, 2)))
    np.testing.assert_array_equal(rows["Fault:tear"], [[0, 1], [1, 0]])


def test_a_frame_before_the_fault_is_sound_and_nothing_is_said_while_it_begins() -> None:
    rows = {name: np.array([[0.0, 1.0]] * 3, "f4") for name in ("VFX", "Fault:tear")}
    found = frame_targets(rows, np.array([-1, 0, RIPE]))
    np.testing.assert_array_equal(found["VFX"], rows["VFX"])
    np.testing.assert_array_equal(found["Fault:tear"], [[1, 0], [0, 0], [0, 1]])


def test_what_nobody_can_answer_is_refused() -> None:
    with pytest.raises(ValueError, match="VFX: Rain is not among"):
        target_rows(SPECS, (frozenset[str](),) * 2, {"VFX": (NOTHING, "Snow")})


def some_clips(config: OracleConfig) -> Clips:
    """Three clips of random pixels; the second is torn."""
    random = np.random.default_rng(0)
    views = {
        name: random.uniform(0, 9, shape.shape).astype(np.uint8 if name == "frames" else np.float32)
        for name, shape in config.inputs(3).items()
    }
    places = random.uniform(-1, 1, (3, config.shown, 2, 2)).astype(np.float32)
    return Clips(
        (*SPECS, SPECS[1]), views, {k: v[:1] + 1 for k, v in views.items()},
        (frozenset(), frozenset({"tear"}), frozenset()), np.array([0, 2, 0]),
        np.array([0.1, 0.2, 0.3]), places,
        np.ones(places.shape[:-1], np.float32),
    )  # fmt: skip


CONFIG = OracleConfig(
    {"VFX": (NOTHING, "Rain"), "Fault:tear": (NOTHING, "tear")}, 5, 32, 32, dim=8, hidden=24,
    course=8, listen=8, fault_hidden=8, look=16, streams=("framed", "field", "statistics"),
    framed=("VFX",), frame_dims=(8, 16, 16), points=("head", "hip"), skip=2, pairs=4,
)  # fmt: skip


def test_a_mirrored_clip_is_mirrored_in_all_that_is_seen_of_it() -> None:
    clips = some_clips(CONFIG)
    chosen, soft = np.array([0, 0, 2]), np.array([False, True, False])
    as_is, turned = (shown_batch(clips, chosen, soft, np.full(3, flip)) for flip in (False, True))
    np.testing.assert_array_equal(turned["frames"], as_is["frames"][:, :, :, ::-1])
    np.testing.assert_array_equal(as_is["frames"][1], clips.soft["frames"][0])
    np.testing.assert_array_equal(turned["field"], as_is["field"][:, :, :, ::-1] * [-1, 1, 1])
    np.testing.assert_array_equal(turned["statistics"], as_is["statistics"])
    np.testing.assert_array_equal(turned["places"], as_is["places"] * [-1, 1])
    np.testing.assert_array_equal(turned["inside"], as_is["inside"])


def test_a_single_frame_comes_with_the_one_before_it_and_its_points() -> None:
    clips = some_clips(CONFIG)
    chosen, which, flipped = np.array([1, 2]), np.array([2, 0]), np.array([False, True])
    shown = framed_batch(clips, chosen, which, flipped)
    frames = clips.drawn["frames"]
    np.testing.assert_array_equal(shown["frames"][0, 0], frames[1, 2])
    np.testing.assert_array_equal(shown["before"][0, 0], frames[1, 1])
    np.testing.assert_array_equal(shown["frames"][1, 0], frames[2, 0][:, ::-1])
    np.testing.assert_array_equal(shown["before"][1], shown["frames"][1])
    np.testing.assert_array_equal(shown["places"][0, 0], clips.places[1, 2])
    np.testing.assert_array_equal(shown["places"][1, 0], clips.places[2, 0] * [-1, 1])
    np.testing.assert_array_equal(shown["inside"][:, 0], clips.inside[chosen, which])


def test_points_are_measured_from_the_centre_and_lost_outside() -> None:
    truths = [{"head": [[16.0, 8.0]] * 5}, {"head": [[40.0, 8.0]] * 5, "hip": [[0.5, 31.5]] * 5}]
    places, inside = point_truth(truths, CONFIG)
    assert places.shape == (2, 3, 2, 2)
    np.testing.assert_allclose(places[0, :, 0], [[0.0, -0.5]] * 3)
    np.testing.assert_array_equal(inside[:, 0], [[1, 0], [0, 1]])


def test_tags_are_asked_of_sound_clips_and_faults_are_told_from_them() -> None:
    clips, many = some_clips(CONFIG), np.array([0, 1, 2, 2, 0, 1])
    clips = Clips(
        tuple(clips.specs[i] for i in many), {k: v[many] for k, v in clips.drawn.items()},
        clips.soft, tuple(clips.faults[i] for i in many), clips.starts[many],
        clips.deformation[many], clips.places[many], clips.inside[many],
    )  # fmt: skip
    shapes = jax.eval_shape(OracleNet(CONFIG).init, jax.random.key(0), **CONFIG.inputs(1))
    random = np.random.default_rng(0)
    params = jax.tree.map(lambda leaf: 0.2 * random.normal(size=leaf.shape).astype("f4"), shapes)
    card = Exam(CONFIG, clips, 0, bar=1.01).card(params, 8.0, jnp.float32)
    assert card.accuracy["VFX"].clips == 4, "two clips are torn"
    assert set(card.accuracy) == {"VFX"} and set(card.unmeasured["VFX"]) == {NOTHING, "Rain"}
    fault = card.faults["Fault:tear"]
    assert fault.clips == 2 and 0 <= fault.auc <= 1 and abs(fault.correlation) <= 1
    assert card.point_error is not None and 0 < card.point_error < 1.5


@pytest.mark.parametrize("count", [1, 2, 7, 12])
def test_each_pass_visits_every_clip_once(count: int) -> None:
    for turn in range(3):
        visited = [place(i, count, seed=4) for i in range(turn * count, (turn + 1) * count)]
        assert sorted(visited) == list(range(count))


def test_accuracy_counts_the_camera_with_and_without_direction() -> None:
    read = [{"CameraMotion": ["Pan right", "Static"]}, {"CameraMotion": ["Tilt up", "Static"]}]
    tables = accuracy_tables({"CameraMotion": ("Pan left", "Static")}, SPECS, read)
    whole = tables["CameraMotion"][""]
    assert (whole.raw, whole.reconstructed, whole.clips) == (0.5, 0.5, 2)
    assert tables["CameraMotion"]["Static"].raw == 1.0
    movement = tables["CameraMovement"][""]
    assert (movement.raw, movement.reconstructed) == (1.0, 0.5)


def test_a_run_leaves_an_oracle_that_reads_clips(tiny_model: Path, tmp_path: Path) -> None:
    size = {"size": "32x32x5@8", "processes": 1, "sampler": "rehearsed"}
    draw.run(tmp_path / "corpus", clips=6, seed=50, **size)
    draw.run(tmp_path / "exam", clips=2, seed=80, **size)
    settings = {
        "corpus": str(tmp_path / "corpus"), "model": str(tiny_model), "clip": (5, 32, 32),
        "steps": 1, "batch": 2, "held_out": 2, "registered": 1, "dim": 8, "motion_dim": 8,
        "hidden": 24, "exam": str(tmp_path / "exam"), "examined_soft": 3,
    }  # fmt: skip
    config = {"recipe": "oracle", "settings": settings, "seed": 0, "cadence": {}}
    numbers = train.run(config, tmp_path / "run")
    assert {"VFX_raw", "VFX_reconstructed", "CameraMovement_raw"} <= set(numbers)
    card = json.loads((tmp_path / "run/model/oracle/oracle.json").read_text())
    assert card["accuracy"]["ShotScale"]["clips"] == 4
    assert card["classical"]["CameraMotion"]["clips"] == 1
    oracles = load_oracles(tmp_path / "run/model")
    reading = oracles(np.zeros((5, 64, 64, 3), np.uint8), 8.0)
    assert set(reading) <= set(FIELDS) and {"VideoStyle", "VFX"} <= set(reading)
    assert all(sum(scores.values()) == pytest.approx(1.0, abs=1e-4) for scores in reading.values())
    with pytest.raises(ValueError, match="reads 5 frames at 8 fps"):
        oracles(np.zeros((4, 64, 64, 3), np.uint8), 8.0)
    with pytest.raises(ValueError, match=r"clips of \(9, 32, 32\)"):
        train.run(config | {"settings": settings | {"clip": (9, 32, 32)}}, tmp_path / "other")


def test_what_was_looked_at_once_is_judged_alike() -> None:
    clips, net = some_clips(CONFIG), OracleNet(CONFIG)
    shapes = jax.eval_shape(net.init, jax.random.key(0), **CONFIG.inputs(1))
    random = np.random.default_rng(0)
    params = jax.tree.map(lambda leaf: 0.2 * random.normal(size=leaf.shape).astype("f4"), shapes)
    looking = {k: v for k, v in params["params"].items() if k not in judging(params)["params"]}
    assert set(looking) == {"framed"}
    looked = look(net, joined(judging(params), looking), clips)
    chosen, asis = np.array([0, 2]), np.zeros(2, bool)
    again = looked_batch(clips, looked, chosen, asis)
    seen = {name: again.pop(name) for name in looked}
    once = shown_batch(clips, chosen, asis, asis)
    views = {name: once[name] for name in clips.drawn}
    whole: dict[str, jax.Array] = jax.jit(net.apply)(
        params, **{**views, "frames": views["frames"] / 127.5 - 1.0}
    )
    apart: dict[str, jax.Array] = jax.jit(net.apply)(judging(params), None, **again, looked=seen)
    for name in CONFIG.labels:
        np.testing.assert_allclose(apart[name], whole[name], rtol=2e-4, atol=2e-4)
    turned = looked_batch(clips, looked, chosen, np.array([False, True]))
    np.testing.assert_array_equal(turned["tracks"][1], seen["tracks"][1] * [-1, 1, 1])
    np.testing.assert_array_equal(turned["field"][1], again["field"][1][:, :, ::-1] * [-1, 1, 1])


def test_boxes_lie_beside_the_mark_and_turn_with_the_frame() -> None:
    boxes = np.tile(np.array([[0.5, -0.25, 0.4]], np.float32), (4000, 1))
    flipped = np.arange(4000) % 2 == 1
    moved = _beside(boxes, flipped, np.random.default_rng(0))
    np.testing.assert_allclose(moved[~flipped].mean(axis=0), [0.5, -0.25, 0.4], atol=0.01)
    np.testing.assert_allclose(moved[flipped].mean(axis=0), [-0.5, -0.25, 0.4], atol=0.01)
    assert moved[:, 1].std() == pytest.approx(ASIDE * 0.4, rel=0.1)


def test_the_random_numbers_of_batches_never_overlap() -> None:
    drawn = [batch_random(3, step).random(64) for step in range(40)]
    drawn += [np.random.Generator(np.random.Philox(key=3, counter=turn << 64)).random(64)
              for turn in range(40)]  # fmt: skip
    assert len(np.unique(np.concatenate(drawn))) == 80 * 64


def test_faults_are_drawn_by_kind() -> None:
    faults = [frozenset[str](), frozenset({"face"}), frozenset({"tear"}), frozenset({"face"})]
    assert _pools(faults, ("VFX", "Fault:face", "Fault:limb")) == [[1, 3]]


def test_an_oracle_that_looks_at_frames_is_trained_and_then_judged(
    tiny_model: Path, tmp_path: Path
) -> None:
    size = {"size": "32x32x5@8", "processes": 1}
    draw.run(tmp_path / "corpus", clips=6, seed=50, sampler="distinct_faulty", **size)
    settings = {
        "corpus": str(tmp_path / "corpus"), "model": str(tiny_model), "clip": (5, 32, 32),
        "sampler": "distinct", "faults": True, "steps": 1, "batch": 2, "held_out": 2,
        "registered": 0, "reconstructed": 0, "examined_soft": 0, "bar": 0.95, "look": 16,
        "frame_dims": (8, 16, 16), "points": ("head", "neck", "hip"), "course": 8, "listen": 8,
        "hidden": 8, "fault_hidden": 8, "streams": ("framed",), "near_look": 8,
        "near_dims": (8, 8, 8, 8),
    }  # fmt: skip
    config = {"recipe": "oracle", "settings": settings, "seed": 0, "cadence": {}}
    numbers = train.run(config, tmp_path / "looking")
    assert "VFX_raw" in numbers and "CameraMotion_raw" not in numbers
    kept = ("corpus", "clip", "steps", "batch", "held_out", "near_look", "near_dims")
    near = {name: settings[name] for name in kept} | {"initial": str(tmp_path / "looking")}
    closer = train.run({"recipe": "oracle_closer", "settings": near}, tmp_path / "closer")
    assert set(closer) == set(numbers)
    judging = {"streams": ("framed", "closer", "field", "statistics"),
               "initial": str(tmp_path / "closer")}  # fmt: skip
    both = train.run(config | {"settings": settings | judging}, tmp_path / "judging")
    assert {"VFX_raw", "CameraMotion_raw", "point_error"} <= set(both)
    assert both["point_error"] == pytest.approx(numbers["point_error"], abs=1e-3)
    learned = load_oracles(tmp_path / "judging").learned
    first, second, third = (load_oracles(tmp_path / part).learned.params["params"]
                            for part in ("looking", "closer", "judging"))  # fmt: skip
    assert set(second) == {"framed", "closer"} < set(third)
    for a, b in ((first["framed"], second["framed"]), (second["closer"], third["closer"])):
        jax.tree.map(np.testing.assert_array_equal, a, b)
    assert learned.card.sampler == "distinct"
    for changed, sentence in (
        ({"initial": str(tiny_model)}, "has no oracle"),
        ({"initial": str(tmp_path / "looking")}, "has no stream 'closer'"),
        ({"look": 8}, "look of the oracle of .* is 16, not 8"),
        ({"sampler": "rehearsed"}, "framed of the oracle of"),
        ({"streams": ("field",)}, "must hold 'framed'"),
        ({"registered": 2, "skip": 2}, "registered must be 0"),
    ):
        with pytest.raises(ValueError, match=sentence):
            train.run(config | {"settings": settings | judging | changed}, tmp_path / "other")
    with pytest.raises(ValueError, match="answers other tags than rehearsed"):
        train.run({"recipe": "oracle_closer", "settings": near | {"sampler": "rehearsed"}},
                  tmp_path / "other")  # fmt: skip
