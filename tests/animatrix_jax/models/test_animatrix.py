"""One expert: Wan at its start, the paper's equations after it, nulls, references."""

from dataclasses import replace
from functools import cached_property, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from animatrix_jax.models.animatrix import (
    SIGMA_FLOOR,
    AniMatrix,
    AniMatrixConfig,
    Conditions,
    add_tag_channel,
    place_reference,
    precondition,
)
from animatrix_jax.models.conditioning import ConditioningConfig, TagEncoder, TagNulls, Tags
from animatrix_jax.models.dit import DiTConfig
from animatrix_jax.runtime.attention import attend
from tests.animatrix_jax.models import witness
from tests.tiny import random_like

Z, BATCH = 3, 4
DIT = DiTConfig(
    dim=16,
    ffn_dim=24,
    heads=2,
    layers=2,
    in_channels=2 * Z + 4,
    out_channels=Z,
    text_dim=6,
    text_length=5,
    freq_dim=8,
)
TAGS = ConditioningConfig(values=30, tag_dim=8, tag_layers=1, tag_heads=2)
FORMS = {
    "full": AniMatrixConfig(DIT, TAGS),
    "rank": AniMatrixConfig(DIT, replace(TAGS, adaln_rank=4)),
    "printed": AniMatrixConfig(DIT, replace(TAGS, tag_gate=False)),
    "plain": AniMatrixConfig(DIT, None),
}
PAPER_SIDE = {
    *("tag_modulation", "text_type", "tag_type", "gate"),
    *("tag_encoder", "tag_nulls", "null_text"),
}


def conditions(seed: int, given: int = 6) -> Conditions:
    """Conditions of four samples whose text and references do not depend on the seed, but tags."""
    fixed, random = np.random.default_rng(0), np.random.default_rng(seed)
    values = [random.integers(1, top, (BATCH, 24)) for top in (5, 31, 11, 4, 4)]
    return Conditions(
        text=fixed.normal(size=(BATCH, 5, 6)).astype(np.float32),
        text_given=np.ones(BATCH, bool),
        tags=Tags(
            np.stack(values, axis=-1).astype(np.int32),
            random.integers(0, 4, (BATCH, 24)).astype(np.int32),
            random.permuted(np.tile(np.arange(24) < given, (BATCH, 1)), axis=1),
        ),
        tags_given=np.ones(BATCH, bool),
        reference=fixed.normal(size=(BATCH, 2, 4, 4, Z)).astype(np.float32),
        reference_mask=fixed.integers(0, 2, (BATCH, 2, 4)).astype(np.float32),
    )


LATENTS = np.random.default_rng(1).normal(size=(BATCH, 2, 4, 4, Z)).astype(np.float32)
TIMESTEP = np.array([1000.0, 712.5, 333.0, 20.0], np.float32)
HELD = conditions(1)


class Form:
    """A compiled model with its start, under a live head, and with random parameters."""

    def __init__(self, name: str) -> None:
        model = AniMatrix(FORMS[name], attend)
        self._model, self._apply = model, jax.jit(model.apply)
        shapes = jax.eval_shape(model.init, jax.random.key(0), LATENTS, TIMESTEP, HELD)
        self.random = random_like(shapes, 3)

    @cached_property
    def start(self) -> Any:
        init = jax.jit(self._model.init)
        start = jax.device_get(init(jax.random.key(0, impl="rbg"), LATENTS, TIMESTEP, HELD))
        # The head starts at zero: with it every start would be equal.
        head = start["params"]["dit"]["head"]["kernel"]
        live = np.random.default_rng(2).normal(size=head.shape).astype(np.float32)
        start["params"]["dit"]["head"]["kernel"] = live
        return start

    def __call__(self, params: Any, given: Conditions) -> np.ndarray:
        return np.asarray(self._apply(params, LATENTS, TIMESTEP, given))


@pytest.fixture(scope="module")
def forms() -> dict[str, Form]:
    return {name: Form(name) for name in FORMS}


def without(tree: Any, names: set[str]) -> Any:
    """A parameter tree without the parts of some names."""
    if not isinstance(tree, dict):
        return tree
    return {name: without(leaf, names) for name, leaf in tree.items() if name not in names}


def backbone(tree: Any) -> Any:
    """A parameter tree without the paper's additions."""
    return without(tree, PAPER_SIDE)


TAG_SETS = [
    conditions(2),
    conditions(3, given=24),
    replace(HELD, tags_given=np.zeros(BATCH, bool)),
    replace(HELD, tags=replace(HELD.tags, mask=np.zeros((BATCH, 24), bool))),
]


@pytest.mark.parametrize("name", ["full", "rank"])
def test_at_the_start_all_tags_are_equal_bit_for_bit(forms: dict[str, Form], name: str) -> None:
    form = forms[name]
    first = form(form.start, HELD)
    assert np.abs(first).max() > 0.1
    for other in TAG_SETS:
        np.testing.assert_array_equal(form(form.start, other), first)


@pytest.mark.parametrize("name", ["full", "rank"])
def test_at_the_start_the_model_is_wan(forms: dict[str, Form], name: str) -> None:
    loaded = forms["plain"].random
    params = add_tag_channel(loaded, forms[name].start)
    jax.tree.map(np.testing.assert_array_equal, backbone(params), loaded)
    wan = forms["plain"](loaded, HELD)
    first = forms[name](params, HELD)
    assert np.linalg.norm(first - wan) <= 1e-6 * np.linalg.norm(wan)
    for other in TAG_SETS:
        np.testing.assert_array_equal(forms[name](params, other), first)


def test_weights_that_do_not_fit_are_refused(forms: dict[str, Form]) -> None:
    loaded, start = forms["plain"].random, forms["rank"].start
    with pytest.raises(ValueError, match=r"no place for \['extra'\]"):
        add_tag_channel({"params": {**loaded["params"], "extra": np.ones(1)}}, start)
    with pytest.raises(ValueError, match=r"shape \(3,\) does not fit"):
        add_tag_channel({"params": {"null_text": np.ones(3)}}, start)


def test_references_in_place_are_frames_without_noise() -> None:
    config = AniMatrixConfig(replace(DIT, in_channels=Z), None)
    model, given = AniMatrix(config, attend), np.array([True, False, True, False])
    mask = np.zeros((BATCH, 2, 4), np.float32)
    mask[given, 0] = 1
    held = replace(HELD, reference_mask=mask)
    params = random_like(jax.eval_shape(model.init, jax.random.key(0), LATENTS, TIMESTEP, held), 4)
    apply = jax.jit(model.apply)
    found = apply(params, LATENTS, TIMESTEP, held)
    other = LATENTS.copy()
    other[given, 0] = 7.0
    np.testing.assert_array_equal(apply(params, other, TIMESTEP, held), found)
    plain = apply(params, LATENTS, TIMESTEP, replace(held, reference=None))
    np.testing.assert_allclose(found[~given], plain[~given], atol=1e-5)
    assert np.abs(found[given] - plain[given]).max() > 1e-3
    placed = place_reference(LATENTS, held)
    np.testing.assert_array_equal(placed[given, 0], held.reference[given, 0])
    np.testing.assert_array_equal(placed[:, 1], LATENTS[:, 1])


def test_equation_6_as_printed_does_not_start_at_wan(forms: dict[str, Form]) -> None:
    form, start = forms["printed"], without(forms["full"].start, {"gate"})
    assert jax.tree.structure(start) == jax.tree.structure(form.random)
    first, other = (form(start, given) for given in (HELD, TAG_SETS[0]))
    assert np.abs(first - other).max() > 1e-4
    assert np.abs(first - forms["plain"](backbone(start), HELD)).max() > 1e-3


@pytest.mark.parametrize("name", ["full", "rank", "printed"])
def test_away_from_the_start_tags_matter(forms: dict[str, Form], name: str) -> None:
    form = forms[name]
    first = form(form.random, HELD)
    for other in TAG_SETS:
        change = np.abs(form(form.random, other) - first).reshape(BATCH, -1).max(axis=1)
        assert (change > 1e-4).all()


@pytest.mark.parametrize("moved", ["gate", "modulation"])
def test_each_pathway_alone_lets_tags_matter(forms: dict[str, Form], moved: str) -> None:
    form = forms["rank"]

    def leave(path: Any, leaf: np.ndarray) -> np.ndarray:
        name = "/".join(str(entry.key) for entry in path)
        chosen = name.endswith("gate") if moved == "gate" else "_scale/kernel" in name
        return np.full_like(leaf, 0.5) if chosen else leaf

    params = jax.tree_util.tree_map_with_path(leave, form.start)
    assert np.abs(form(params, HELD) - form(params, TAG_SETS[0])).max() > 1e-5


def test_masked_tags_change_nothing(forms: dict[str, Form]) -> None:
    form, other = forms["rank"], conditions(5)
    mask = HELD.tags.mask
    filled = Tags(
        np.where(mask[..., None], HELD.tags.values, other.tags.values),
        np.where(mask, HELD.tags.order, other.tags.order),
        mask,
    )
    np.testing.assert_array_equal(
        form(form.random, HELD), form(form.random, replace(HELD, tags=filled))
    )


def test_text_not_given_is_irrelevant(forms: dict[str, Form]) -> None:
    form = forms["full"]
    other = replace(HELD, text=HELD.text[::-1].copy())
    first, second = form(form.random, HELD), form(form.random, other)
    assert (np.abs(first - second).reshape(BATCH, -1).max(axis=1) > 1e-4).all()
    absent = np.array([True, False, True, False])
    first, second = (form(form.random, replace(c, text_given=absent)) for c in (HELD, other))
    np.testing.assert_array_equal(first[~absent], second[~absent])
    assert (first[absent] != second[absent]).any()


def test_tags_not_given_are_irrelevant(forms: dict[str, Form]) -> None:
    form = forms["full"]
    absent = np.array([False, True, True, False])
    first, second = (form(form.random, replace(c, tags_given=absent)) for c in (HELD, TAG_SETS[1]))
    np.testing.assert_array_equal(first[~absent], second[~absent])
    assert (first[absent] != second[absent]).any()


@pytest.mark.parametrize("name", list(FORMS))
def test_the_velocity_is_wans_and_the_papers(forms: dict[str, Form], name: str) -> None:
    """Against the float64 witness, with tags given to the first three samples."""
    given = replace(HELD, tags_given=np.array([True, True, True, False]))
    found = forms[name](forms[name].random, given)
    p = jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), forms[name].random)["params"]
    states = None
    if (config := FORMS[name].conditioning) is not None:
        encode = jax.jit(TagEncoder(config, DIT.dim).apply)
        nulls = jax.jit(TagNulls(DIT.dim).apply)
        side = forms[name].random["params"]
        states = encode({"params": side["tag_encoder"]}, given.tags)
        states = nulls({"params": side["tag_nulls"]}, states, given.tags_given)
        states = jax.tree.map(np.asarray, states)
    for i in range(BATCH):
        mask = np.broadcast_to(given.reference_mask[i][:, None, None], (2, 4, 4, 4))
        inputs = np.concatenate([LATENTS[i], mask, given.reference[i]], axis=-1, dtype=np.float64)
        tags = (states.sequence[i][states.mask[i]], states.summary[i]) if states else None
        expected = witness.velocity(
            p["dit"], 2, (1, 2, 2), inputs, TIMESTEP[i], np.float64(given.text[i]), tags
        )
        np.testing.assert_allclose(found[i], expected, atol=1e-5 * np.abs(expected).max())


def test_a_clean_prediction_is_a_velocity(forms: dict[str, Form]) -> None:
    params = forms["plain"].random
    model = AniMatrix(replace(FORMS["plain"], prediction="clean"), attend)
    found = np.asarray(jax.jit(model.apply)(params, LATENTS, TIMESTEP, HELD))
    clean, sigma = forms["plain"](params, HELD), TIMESTEP / 1000
    assert sigma[-1] < SIGMA_FLOOR
    for i in range(BATCH - 1):
        # noisy = (1 − sigma)·clean + sigma·noise is what the velocity noise − clean comes from.
        noise = (LATENTS[i] - (1 - sigma[i]) * clean[i]) / sigma[i]
        np.testing.assert_allclose(found[i], noise - clean[i], atol=1e-4)
    np.testing.assert_allclose(found[-1], (LATENTS[-1] - clean[-1]) / SIGMA_FLOOR, atol=1e-4)


def test_a_preconditioned_output_is_a_velocity(forms: dict[str, Form]) -> None:
    params = forms["plain"].random
    model = AniMatrix(replace(FORMS["plain"], prediction="preconditioned"), attend)
    found = np.asarray(jax.jit(model.apply)(params, LATENTS, TIMESTEP, HELD))
    out = forms["plain"](params, HELD)
    for i, sigma in enumerate(np.float64(TIMESTEP) / 1000):
        if sigma == 1:
            continue
        # Karras et al., table 1, with sigma_data 1 for the noise-to-signal ratio sigma/(1 − sigma).
        ratio = sigma / (1 - sigma)
        skip, scale = 1 / (1 + ratio**2), ratio / np.sqrt(1 + ratio**2)
        clean = skip * LATENTS[i] / (1 - sigma) + scale * out[i]
        np.testing.assert_allclose(found[i], (LATENTS[i] - clean) / sigma, atol=1e-4)


@pytest.mark.parametrize("sigma", [0.0, 1.0])
def test_preconditioning_holds_at_both_ends(sigma: float) -> None:
    noise, clean = np.random.default_rng(0).normal(size=(2, 1, 1, 2, 2, 3)).astype(np.float32)
    noisy = (1 - sigma) * clean + sigma * noise
    target = clean if sigma else -noise
    found = precondition(noisy, target, np.float32([sigma]))
    np.testing.assert_allclose(found, noise - clean, atol=1e-6)


def test_recomputed_blocks_have_the_same_gradient(forms: dict[str, Form]) -> None:
    def gradient(remat: bool) -> Any:
        config = replace(FORMS["plain"], dit=replace(DIT, remat=remat))
        apply = AniMatrix(config, attend).apply
        loss = lambda p: jnp.sum(jnp.square(apply(p, LATENTS, TIMESTEP, HELD)))  # noqa: E731
        return jax.jit(jax.grad(loss))(forms["plain"].random)

    jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-4, atol=1e-3), *map(gradient, (0, 1)))


def test_linear_layers_in_bfloat16_keep_a_float32_stream() -> None:
    config = replace(FORMS["rank"], dit=replace(DIT, dtype="bfloat16"))
    model = AniMatrix(config, attend)
    params = jax.eval_shape(model.init, jax.random.key(0), LATENTS, TIMESTEP, HELD)
    assert {leaf.dtype for leaf in jax.tree.leaves(params)} == {jnp.dtype("float32")}
    out = jax.eval_shape(model.apply, params, LATENTS, TIMESTEP, HELD)
    assert out.dtype == jnp.float32 and out.shape == LATENTS.shape


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"tags": None}, "a model with a tag encoder needs tags"),
        ({"tags_given": None}, "a model with a tag encoder needs tags"),
        ({"reference_mask": None}, "a reference needs its mask"),
    ],
)
def test_conditions_that_lack_a_part_are_refused(changes: dict, says: str) -> None:
    model = AniMatrix(FORMS["full"], attend)
    init = partial(model.init, jax.random.key(0))
    with pytest.raises(ValueError, match=says):
        jax.eval_shape(init, LATENTS, TIMESTEP, replace(HELD, **changes))


def test_sizes_that_cannot_be_are_refused() -> None:
    with pytest.raises(ValueError, match="dim 16 does not split into 3 heads of even size"):
        replace(DIT, heads=3)
    with pytest.raises(ValueError, match="prediction cannot be 'noise': it is one of velocity"):
        AniMatrixConfig(DIT, None, "noise")
