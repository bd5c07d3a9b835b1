"""What is drawn has the exact distribution: chi-square on a million draws, corrected after Holm.

Shape, kind and source are drawn once a block, so blocks are counted there; clips and tasks are
drawn for every sample, and counted given their block's. Windows of progress are narrow stretches
of a long run; every block's own τ enters what is expected.
"""

import functools
from collections.abc import Iterator

import numpy as np
import pytest
from scipy.stats import chisquare

from animatrix_data.sampling.curriculum import Curriculum, difficulty_buckets
from animatrix_data.sampling.selection import I2V, Phase, Selection, Source

BLOCK, DRAWS, LENGTH = 64, 1_000_000, 10**9
TAUS = (0.0, 0.3, 0.7, 1.0)
CELLS = ((0.7, 10.0, 0.1), (0.3, 4.0, 0.0), (1.0, 25.0, 0.3))
"""α of eq. 2, γ and β of eq. 16."""
RATIO, SHARES = (0.25, 0.45, 0.3), (0.7, 0.3)
LEVEL = 0.001


@functools.cache
def corpus(clips: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Marginal counts [N, 4] of long-tailed labels, scores with gaps and ties [N, 3], shapes."""
    random = np.random.default_rng(seed)
    labels = np.minimum(random.geometric([0.5, 0.4, 0.6, 0.5], (clips, 4)), 6)
    counts = np.stack([np.bincount(column)[column] for column in labels.T], axis=1)
    scores = np.stack([random.integers(0, 4, clips), *random.random((2, clips))], axis=1)
    scores[random.random((clips, 3)) < 0.05] = np.nan
    return counts.astype(float), scores, random.choice([-1, 0, 1, 4], clips, p=[0.1, 0.5, 0.3, 0.1])


def sources(alpha: float, quantiles: int) -> tuple[Source, ...]:
    """Two corpora under eq. 2."""
    made = []
    for name, clips in (("large", 400), ("small", 90)):
        counts, scores, shapes = corpus(clips, clips)
        weights = (1 / counts.prod(axis=1)) ** alpha
        made.append(Source(name, weights, shapes, difficulty_buckets(scores, quantiles)))
    return tuple(made)


def drawn(selection: Selection, first: int, count: int) -> dict[str, np.ndarray]:
    """Blocks `first`, … by column."""
    blocks = [selection.draw(number) for number in range(first, first + count)]
    names = ("source", "shape", "images", "tau", "clips", "tasks")
    return {name: np.array([getattr(block, name) for block in blocks]) for name in names}


def mass(source: Source, shape: int, taus: np.ndarray, cell: tuple) -> np.ndarray:
    """P_τ up to a factor [T, N] of the clips of a shape, written down from eq. 16 itself."""
    _, gamma, beta = cell
    hard = np.stack(np.unravel_index(source.buckets, (5, 5, 5)), axis=1).mean(axis=1) / 4
    rising = 1 / (1 + np.exp(-gamma * (taus[:, None] - hard + beta)))
    return rising * source.weights * (source.shapes == shape)


def p_value(found: np.ndarray, expected: np.ndarray) -> float:
    """P of counts given what is expected, with bins under 5 pooled into one."""
    rare = expected < 5
    found = np.append(found[~rare], found[rare].sum())
    expected = np.append(expected[~rare], expected[rare].sum())
    if expected[-1] < 5:
        found[-2] += found[-1]
        expected[-2] += expected[-1]
        found, expected = found[:-1], expected[:-1]
    return float(chisquare(found, expected).pvalue)


def shape_and_clip_tests(columns: dict, made: tuple[Source, ...], cell: tuple) -> Iterator[float]:
    """P of the shapes of blocks, given their source, and of clips, given their shape."""
    for place, source in enumerate(made):
        shapes = np.unique(source.shapes[source.shapes >= 0])
        here = columns["source"] == place
        taus, forms = columns["tau"][here], columns["shape"][here]
        masses = np.stack([mass(source, shape, taus, cell) for shape in shapes])
        shares = masses.sum(axis=2) / masses.sum(axis=(0, 2))
        yield p_value((forms == shapes[:, None]).sum(axis=1), shares.sum(axis=1))
        for shape, weights in zip(shapes, masses, strict=True):
            mine = forms == shape
            found = np.bincount(columns["clips"][here][mine].ravel(), minlength=len(source.weights))
            of_block = weights[mine] / weights[mine].sum(axis=1, keepdims=True)
            expected = BLOCK * of_block.sum(axis=0)
            assert (found[expected == 0] == 0).all()
            if expected.sum() >= 50:
                yield p_value(found[expected > 0], expected[expected > 0])


def kind_tests(columns: dict) -> Iterator[float]:
    """P of sources and kinds by block, and of tasks by sample of blocks of video."""
    yield p_value(np.bincount(columns["source"]), np.array(SHARES) * len(columns["source"]))
    images = columns["images"]
    yield p_value(np.bincount(images), np.array([1 - RATIO[0], RATIO[0]]) * images.size)
    tasks = columns["tasks"][~images]
    given = np.array(RATIO[1:]) / sum(RATIO[1:])
    yield p_value(np.bincount((tasks == I2V).ravel()), given * tasks.size)


@pytest.mark.parametrize("seed", range(5))
def test_a_million_draws_follow_the_exact_distribution(seed):
    found: list[float] = []
    count = DRAWS // BLOCK // len(TAUS) + 1
    for cell in CELLS:
        alpha, gamma, beta = cell
        curriculum = Curriculum(gamma, beta)
        made = sources(alpha, curriculum.quantiles)
        phase = Phase(None, RATIO, made, SHARES)
        selection = Selection([phase], seed, curriculum=curriculum, samples=LENGTH)
        windows = [drawn(selection, int(tau * LENGTH / BLOCK), count) for tau in TAUS]
        for tau, window in zip(TAUS, windows, strict=True):
            assert window["tau"].min() == pytest.approx(tau, abs=1e-6)
            found += shape_and_clip_tests(window, made, cell)
        found += kind_tests({k: np.concatenate([w[k] for w in windows]) for k in windows[0]})
    # The smallest of all p-values is the first that Holm's procedure would reject.
    assert min(found) * len(found) > LEVEL, sorted(found)[:5]


def test_a_wrong_distribution_is_found_out():
    cell, wrong = (0.7, 10.0, 0.1), (0.7, 11.0, 0.1)
    made = sources(cell[0], 5)
    phase = Phase(None, RATIO, made, SHARES)
    selection = Selection([phase], 0, curriculum=Curriculum(*cell[1:]), samples=LENGTH)
    window = drawn(selection, int(0.3 * LENGTH / BLOCK), 1000)
    right, found = (list(shape_and_clip_tests(window, made, c)) for c in (cell, wrong))
    assert min(right) * len(right) > LEVEL > min(found) * len(found)


@pytest.mark.parametrize("seed", range(5))
def test_samples_drawn_again_follow_it_too(seed):
    made = sources(0.7, 5)
    selection = Selection([Phase(None, RATIO, made[:1])], seed)
    found, expected = np.zeros((2, len(made[0].weights)))
    for index in range(6000):
        again = selection.redraw(64 * (index // 3), 1 + index % 3)
        found[again.clip] += 1
        shared = made[0].weights * (made[0].shapes == again.shape)
        expected += shared / shared.sum()
    assert p_value(found[expected > 0], expected[expected > 0]) > LEVEL
