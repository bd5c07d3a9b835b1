"""The demo on the smallest model: every phase runs, and the page stands on its own."""

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from animatrix_data.corpus.video import decode_video, encode_video
from animatrix_data.procedural import sample_spec
from animatrix_data.procedural.oracles import label_lists
from animatrix_jax.checkpoint.folder import ClipShape
from animatrix_jax.jobs import demo, demo_page
from animatrix_jax.models.oracle import OracleConfig, OracleNet
from animatrix_jax.runtime.oracle import Accuracy, OracleCard, save_oracle
from tests.tiny import random_like, tiny_card, write_tiny_model

EDGE = 32


@pytest.fixture(scope="module")
def studio_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model of the studio's smallest size, with an oracle that reads two sub-fields."""
    folder = tmp_path_factory.mktemp("models") / "studio"
    write_tiny_model(folder, replace(tiny_card(), clip=ClipShape(5, EDGE, EDGE, 8.0)))
    labels = label_lists([sample_spec(seed) for seed in range(40)], ("VideoStyle", "VFX"))
    config = OracleConfig(labels, 5, EDGE, EDGE, dim=8, motion_dim=8, hidden=8, reach=1)
    clip = jax.ShapeDtypeStruct((1, 5, EDGE, EDGE, 3), jnp.float32)
    shapes = jax.eval_shape(OracleNet(config).init, jax.random.key(0), clip)
    accuracy = {"VideoStyle": Accuracy(1.0, 0.9, 10), "VFX": Accuracy(0.6, 0.5, 10)}
    save_oracle(
        folder, {"params": random_like(shapes["params"], 0)}, OracleCard(config, 8.0, accuracy)
    )
    return folder


def experiment(model: Path) -> dict:
    return {
        "recipe": "flow",
        "settings": {
            "corpus": "unused",
            "cache": "unused",
            **{part: str(model) for part in ("vae", "text_encoder", "initial")},
            "steps": 4,
            "batch": 2,
            "held_out": 2,
        },
        "cadence": {"log_every": 1, "evaluate_every": 2, "save_every": 4},
    }


class Links(HTMLParser):
    """Collects what a page refers to, and complains about tags that are not closed in order."""

    VOID = ("meta", "link", "img", "br")

    def __init__(self) -> None:
        super().__init__()
        self.found, self.open = [], []

    def handle_starttag(self, tag, attrs):
        self.found += [value for name, value in attrs if name in ("src", "href")]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_the_demo_from_nothing_to_a_page(studio_model, tmp_path):
    out, footage = tmp_path / "demo", tmp_path / "footage"
    footage.mkdir()
    noise = np.random.default_rng(0).integers(0, 255, (12, 48, 64, 3), np.uint8)
    encode_video(footage / "own.mp4", noise, 8.0)
    index = demo.run(experiment(studio_model), out, footage, clips=6, pairs=2, steps=2)
    page = index.read_text()
    links = Links()
    links.feed(page)
    assert not links.open
    files = [link for link in links.found if not link.startswith("#")]
    assert len([f for f in files if f.endswith(".mp4")]) == 4 + 4 + 2
    assert all((out / file).is_file() for file in files)
    assert "http" not in re.sub(r'xmlns(:\w+)?="[^"]*"', "", page)
    shown = decode_video(out / "view" / "shot-1.mp4").frames
    assert shown.shape == (5, 384, 384, 3)
    record = json.loads((out / "clips" / "footage.json").read_text())
    assert record["tags"] == str(demo.parse_tags(demo.FOOTAGE_TAGS))
    assert "Walking in the rain" in page and 'class="unread"' in page
    with pytest.raises(ValueError, match="not a demo: name another folder"):
        demo.run(experiment(studio_model), footage)


def test_mistakes_are_found_before_the_work(studio_model, tmp_path):
    bare = experiment(studio_model)
    del bare["settings"]["initial"]
    with pytest.raises(ValueError, match=r"names no settings\.initial"):
        demo.run(bare, tmp_path / "demo")
    with pytest.raises(ValueError, match="is not a folder"):
        demo.run(experiment(studio_model), tmp_path / "demo", tmp_path / "nowhere")
    assert not (tmp_path / "demo" / "corpus").exists()


def test_the_tags_of_the_demo_can_be_drawn():
    for tags in (*(tags for _, tags in demo.SHOTS), demo.GUIDED, demo.FOOTAGE_TAGS):
        demo.check_drawable(demo.parse_tags(tags))


def test_the_drawn_loss_is_the_running_mean():
    mean = demo_page.running_mean(np.array([4.0, 2.0, 0.0, 0.0]), 2)
    np.testing.assert_allclose(mean, [4, 3, 1, 0])
    svg = demo_page.loss_figure(np.arange(40.0), np.linspace(1, 0, 40), [(10, 0.8), (20, 0.6)])
    assert svg.startswith("<svg") and "var(--accent)" in svg and "training step" in svg
    assert demo_page.INK not in svg


def test_held_out_losses_average_the_experts():
    records = [
        {"step": 0, "loss": 2.0},
        {"step": 5, "held_out_loss_high": 1.0, "held_out_loss_low": 3.0},
        {"step": 6, "loss": None},
    ]
    assert demo_page.held_out_losses(records) == [(5, 2.0)]
    assert [v.tolist() for v in demo_page.training_losses(records)] == [[0.0], [2.0]]
    assert [demo_page.minutes(s) for s in (7.6, 125)] == ["8 s", "2 min 5 s"]
