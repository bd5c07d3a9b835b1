"""Candidates of one prompt: the same clip drawn soundly, and with one fault after another (5.4)."""

from animatrix_data.procedural.faults import FAULTS, Fault, conflict
from animatrix_data.procedural.registry import generator
from animatrix_data.taxonomy.tags import ProductionSpec

SEVERITIES = (0.15, 1.0)
"""The range of a candidate's severity: from hardly seen to broken."""


def candidate_faults(seed: int, candidate: int, spec: ProductionSpec) -> tuple[Fault, ...]:
    """Return what breaks in a candidate of a seed: nothing in number 0, else one fault.

    Kinds that the spec allows come in an order of the seed's own, one a candidate, over and over; a
    spec that allows none leaves all candidates sound. All else in the clip is the seed's, so that
    candidates are alike up to the frame at which a fault starts.
    """
    kinds = [kind for kind in FAULTS if conflict(Fault(kind, 1.0), spec) is None]
    if candidate == 0 or not kinds:
        return ()
    order = generator(seed, "candidates").permutation(len(kinds))
    severity = generator(seed, f"candidate {candidate}").uniform(*SEVERITIES)
    return (Fault(kinds[order[(candidate - 1) % len(kinds)]], round(float(severity), 3)),)
