"""Rates of a million draws of what `condition` reads, for five seeds, Holm-corrected."""

import numpy as np
import pytest
from scipy.stats import binomtest, chisquare

from animatrix_data.pipeline.conditioning import (
    HYBRID,
    PLAIN,
    Perturbation,
    block_draws,
    cached_wordings,
    condition,
    summary_alone,
)
from animatrix_data.taxonomy import Directive, parse_tags

BLOCKS, SIZE = 15625, 64
DRAWS = BLOCKS * SIZE
RATES = Perturbation()
LEVEL = 0.001
SPEC = parse_tags("MotionType: walk, shot_type: close-up, camera_motion: pan left, VFX: Rain")
DIRECTIVE = Directive(SPEC, "A girl walks in the rain, a close-up.", "The camera pans left.")


def holm(pvalues: dict[str, float]) -> dict[str, float]:
    """Return the p-values corrected for their number (Holm's step-down)."""
    corrected, least = {}, 0.0
    for rank, name in enumerate(sorted(pvalues, key=lambda name: pvalues[name])):
        least = max(least, (len(pvalues) - rank) * pvalues[name])
        corrected[name] = least
    return corrected


@pytest.mark.parametrize("seed", range(5))
def test_a_million_draws_have_the_asked_rates(seed: int):
    modes = np.zeros(4, int)
    dropped, reworded, pairs = (np.zeros(24, int) for _ in range(3))
    conflicts = alone = fuller = 0
    for block in range(BLOCKS):
        draws = block_draws(seed, block, RATES)
        modes += np.bincount(draws.mode, minlength=4)
        dropped += draws.dropped.sum(0)
        reworded += draws.reworded.sum(0)
        pairs[:23] += (draws.dropped[:, 1:] & draws.dropped[:, :-1]).sum(0)
        conflicts += int(draws.conflicting.sum())
        alone += int(summary_alone(draws.summary, RATES).sum())
        fuller += int(summary_alone(draws.summary, RATES, complexity=0.8).sum())
    pvalues = {"mode": chisquare(modes, np.array(RATES.modes) * DRAWS).pvalue}
    for name, hits, rate in (
        ("conflict", conflicts, RATES.p_conflict),
        ("summary", alone, RATES.p_summary_only),
        ("summary at complexity 0.8", fuller, 0.2),
    ):
        pvalues[name] = binomtest(hits, DRAWS, rate).pvalue
    for name, counts, rate in (
        ("drop", dropped, RATES.p_drop),
        ("synonym", reworded, RATES.p_synonym),
        ("drop of neighbours", pairs[:23], RATES.p_drop**2),
    ):
        for place, hits in enumerate(counts):
            pvalues[f"{name} {place}"] = binomtest(int(hits), DRAWS, rate).pvalue
    corrected = holm({name: float(p) for name, p in pvalues.items()})
    assert {name: p for name, p in corrected.items() if p <= LEVEL} == {}


def test_samples_with_cached_wordings_have_the_same_rates():
    clips, each = 600, 40
    dropped = np.zeros(4, int)
    conflicts = hybrid = changed = plain = summaries = 0
    for clip in range(clips):
        wordings = cached_wordings(DIRECTIVE, clip, 6, RATES)
        assert all(w.contradicted is not None for w in wordings[PLAIN:4])
        changed += sum(wordings[v].text != wordings[v % 2].text for v in (4, 5))
        for i in range(clip * each, (clip + 1) * each):
            sample = condition(DIRECTIVE, 0, i, RATES, wordings=wordings)
            assert sample.wording is not None
            summaries += sample.wording % 2
            if block_draws(0, i // SIZE, RATES).mode[i % SIZE] == HYBRID:
                hybrid += 1
                conflicts += wordings[sample.wording].contradicted is not None
                dropped += ~sample.tags.mask[:4]
            else:
                plain += sample.wording < PLAIN
    assert plain == clips * each - hybrid
    # Four tags are named in the full text and three in the summary, each reworded on its own.
    expected = 1 - ((1 - RATES.p_synonym) ** 4 + (1 - RATES.p_synonym) ** 3) / 2
    pvalues = {
        "conflict": binomtest(conflicts, hybrid, RATES.p_conflict).pvalue,
        "summary": binomtest(summaries, clips * each, RATES.p_summary_only).pvalue,
        "synonym": binomtest(changed, 2 * clips, expected).pvalue,
        "drop": binomtest(int(dropped.sum()), 4 * hybrid, RATES.p_drop).pvalue,
    }
    assert min(holm(pvalues).values()) > LEVEL, pvalues
