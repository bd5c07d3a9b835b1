"""The tag encoder: tags are a set with a mask, embedded as eq. 3 says, and have a null."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from animatrix_data.taxonomy import MAX_TAGS, VALUE_COUNT, parse_tags, tag_arrays
from animatrix_jax.models.conditioning import (
    DIRECTIONS,
    FIELDS,
    ORDERS,
    ConditioningConfig,
    TagEncoder,
    TagNulls,
    Tags,
    TagStates,
)
from tests.tiny import random_like

DIM, COUNT = 12, 7
CONFIG = ConditioningConfig(values=30, tag_dim=8, tag_layers=2, tag_heads=2)


def random_tags(seed: int, given: int = COUNT) -> Tags:
    random = np.random.default_rng(seed)
    values = np.stack([random.integers(0, top, (1, 24)) for top in (5, 31, 11, 4, 4)], axis=-1)
    return Tags(
        values.astype(np.int32),
        random.integers(0, 4, (1, 24)).astype(np.int32),
        np.arange(24)[None] < given,
    )


@pytest.fixture(scope="module")
def encode() -> Callable[[Tags], TagStates]:
    module = TagEncoder(CONFIG, DIM)
    params = random_like(jax.eval_shape(module.init, jax.random.key(0), random_tags(0)), 0)
    params = jax.tree.map(lambda leaf: 5.0 * leaf, params)
    apply = jax.jit(module.apply)
    return lambda tags: jax.tree.map(np.asarray, apply(params, tags))


def test_tables_hold_the_whole_vocabulary() -> None:
    assert ORDERS == MAX_TAGS
    spec = parse_tags("VideoStyle: Shinkai Style, camera_motion: pan left -> push in, VFX: Rain")
    arrays = tag_arrays(spec)
    tops = arrays.values.max(axis=0)
    assert (tops <= (FIELDS, VALUE_COUNT, DIRECTIONS, 3, 3)).all()


def test_permuted_tags_permute_their_states(encode: Callable[[Tags], TagStates]) -> None:
    tags = random_tags(1)
    turn = np.random.default_rng(0).permutation(COUNT)
    whole = np.concatenate([turn, np.arange(COUNT, 24)])
    moved = Tags(tags.values[:, whole], tags.order[:, whole], tags.mask)
    before, after = encode(tags), encode(moved)
    np.testing.assert_allclose(after.sequence[0, :COUNT], before.sequence[0, turn], atol=1e-4)
    np.testing.assert_allclose(after.summary, before.summary, atol=1e-4)
    states = before.sequence[0, :COUNT]
    assert np.abs(states[:, None] - states[None]).max(axis=-1)[~np.eye(COUNT, dtype=bool)].min() > 0


def test_the_place_in_a_camera_sequence_is_told(encode: Callable[[Tags], TagStates]) -> None:
    tags = random_tags(2)
    order = tags.order.copy()
    order[0, :2] = 1, 2
    swapped = order.copy()
    swapped[0, :2] = 2, 1
    before, after = (encode(Tags(tags.values, o, tags.mask)) for o in (order, swapped))
    assert np.abs(before.summary - after.summary).max() > 1e-3


def test_masked_tags_change_nothing(encode: Callable[[Tags], TagStates]) -> None:
    tags, other = random_tags(3), random_tags(4)
    keep = tags.mask[..., None]
    filled = Tags(
        np.where(keep, tags.values, other.values),
        np.where(tags.mask, tags.order, other.order),
        tags.mask,
    )
    before, after = encode(tags), encode(filled)
    np.testing.assert_array_equal(before.sequence[0, :COUNT], after.sequence[0, :COUNT])
    np.testing.assert_array_equal(before.summary, after.summary)


def test_given_tags_stand_first_wherever_they_came(encode: Callable[[Tags], TagStates]) -> None:
    tags = random_tags(5)
    places = np.array([0, 2, 5, 9, 10, 20, 23])
    values, order, mask = random_tags(6).values, random_tags(6).order, np.zeros((1, 24), bool)
    values[0, places], order[0, places], mask[0, places] = (
        tags.values[0, :COUNT],
        tags.order[0, :COUNT],
        True,
    )
    before, after = encode(tags), encode(Tags(values, order, mask))
    np.testing.assert_array_equal(after.mask, tags.mask)
    np.testing.assert_allclose(
        after.sequence[0, :COUNT], before.sequence[0, :COUNT], rtol=1e-4, atol=1e-4
    )
    np.testing.assert_allclose(after.summary, before.summary, rtol=1e-4, atol=1e-4)


def test_a_token_is_the_sum_of_its_rows() -> None:
    """Equation 3, read off through an encoder without layers."""
    module = TagEncoder(ConditioningConfig(values=30, tag_dim=8, tag_layers=0), 8)
    tags = random_tags(7)
    params = random_like(jax.eval_shape(module.init, jax.random.key(0), tags), 1)
    p = {name: np.asarray(leaf, np.float64) for name, leaf in params["params"].items()
         if not isinstance(leaf, dict)}  # fmt: skip
    token = np.zeros((24, 8))
    ids = dict(zip(("field", "value", "direction", "amplitude", "speed"), tags.values[0].T,
                   strict=True)) | {"order": tags.order[0]}  # fmt: skip
    for name, column in ids.items():
        token += np.where(column[:, None] > 0, p[name][column], 0.0)
    norm, last = params["params"]["norm"], params["params"]["to_sequence"]
    centred = token - token.mean(axis=-1, keepdims=True)
    scaled = centred / np.sqrt((centred**2).mean(axis=-1, keepdims=True) + 1e-6)
    expected = (scaled * norm["scale"] + norm["bias"]) @ last["kernel"] + last["bias"]
    found = jax.jit(module.apply)(params, tags)
    np.testing.assert_allclose(found.sequence[0, :COUNT], expected[:COUNT], atol=2e-4)


def test_the_null_stands_for_tags_not_given() -> None:
    random = np.random.default_rng(0)
    states = TagStates(
        jnp.asarray(random.normal(size=(2, 5, 4)), jnp.float32),
        jnp.array([[True, True, False, False, False]] * 2),
        jnp.asarray(random.normal(size=(2, 4)), jnp.float32),
    )
    params = {"params": {"sequence": jnp.full(4, 7.0), "summary": jnp.full(4, 8.0)}}
    out = TagNulls(4).apply(params, states, jnp.array([True, False]))
    np.testing.assert_array_equal(out.sequence[0], states.sequence[0])
    np.testing.assert_array_equal(out.mask, [[1, 1, 0, 0, 0], [1, 0, 0, 0, 0]])
    np.testing.assert_array_equal(out.sequence[1, 0], 7.0)
    np.testing.assert_array_equal(out.summary, [states.summary[0], [8.0] * 4])
