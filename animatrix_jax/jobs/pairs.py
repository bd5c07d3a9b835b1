"""`animatrix pairs`: the preference pairs of a corpus, from what its clips are rated (5.4)."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from animatrix_data.corpus.catalogue import read_columns
from animatrix_data.corpus.clip_files import ClipFiles
from animatrix_data.corpus.pairs import PairRow, write_pairs
from animatrix_data.files import check_writable, whole_file
from animatrix_data.progress import track
from animatrix_data.sampling.preferences import (
    EQUAL,
    RATINGS,
    THRESHOLD,
    Judged,
    Judging,
    Rating,
    judge,
    read_rating,
)

type Prompt = tuple[str, int, int, int]
"""What candidates share: the directive, and frames, height and width."""

COLUMNS = ("id", "directive", "tags", "frames", "height", "width", "truth")
SAME = 2.0
"""Pictures whose mean difference is less, of 255, are the same: a video file is no nearer."""
LABELLED = ("prompt", "clip_a", "clip_b", "reward_a", "reward_b", "better")
"""The columns for experts, who fill in the last: a or b."""


@dataclass(frozen=True)
class Candidate:
    """A rated clip: its row in the catalogue, its id, its rating."""

    row: int
    clip: str
    rating: Rating


def run(
    corpus: str | Path,
    *,
    reject: str = "both",
    threshold: float = THRESHOLD,
    margin: float = 0.0,
    weights: str | Sequence[float] | None = None,
    to_label: str | Path | None = None,
) -> tuple[PairRow, ...]:
    """Write the pairs of the corpus at `corpus` into it, and say on stdout what became of it.

    Candidates are the clips of one directive (or tags, where there is no prose) and one shape whose
    truth rates them. Every two of them are a pair where their rewards, by `weights` (eq. 17; None:
    equal ones), differ by more than `margin`; `reject` says what a rating below `threshold` rules
    out (`Judging`). A pair whose clips begin with the same picture is for I2V, another for T2V.
    `to_label` gets a CSV of what experts should decide, the prompts with a small gap. Returns the
    pairs. Raises
    ValueError where there is no pair to write, and for what `Judging` and the readers raise.
    """
    judging = Judging(_weights(weights), reject, threshold, margin)
    if to_label is not None:
        check_writable(to_label)
    prompts = _prompts(corpus)
    judged = {
        prompt: judge([candidate.rating for candidate in own], judging)
        for prompt, own in prompts.items()
    }
    rows = _pair_rows(corpus, prompts, judged)
    _report(prompts, judged, rows)
    if to_label is not None:
        _write_unsure(Path(to_label), prompts, judged, judging)
    if not rows:
        raise ValueError(
            f"{corpus} gives no pair: no two clips of a prompt are rated apart by more than "
            f"{margin:g} with reject {reject}"
        )
    write_pairs(corpus, rows)
    return rows


def _weights(said: str | Sequence[float] | None) -> tuple[float, ...]:
    """Return the weights that numbers say, or a text such as 1,1,1,1; ValueError for another."""
    if said is None:
        return EQUAL
    try:
        return tuple(float(part) for part in (said.split(",") if isinstance(said, str) else said))
    except ValueError:
        raise ValueError(f"weights are numbers with commas between, not {said!r}") from None


def _prompts(corpus: str | Path) -> dict[Prompt, list[Candidate]]:
    """Return the rated clips of every prompt; ValueError where none has two."""
    table = read_columns(corpus, COLUMNS).to_pylist()
    found: dict[Prompt, list[Candidate]] = {}
    for row, clip in enumerate(table):
        rating = read_rating(clip["truth"], clip["id"])
        prompt = clip["directive"].strip() or clip["tags"].strip()
        if rating is not None and prompt:
            key = (prompt, clip["frames"], clip["height"], clip["width"])
            found.setdefault(key, []).append(Candidate(row, clip["id"], rating))
    if not found:
        raise ValueError(
            f"no clip of {corpus} is rated: its truth would have {', '.join(RATINGS)}, as that of "
            "drawn clips has"
        )
    several = {key: own for key, own in found.items() if len(own) > 1}
    if not several:
        raise ValueError(
            f"no prompt of {corpus} has two rated clips: `animatrix draw --candidates 4` draws "
            "several of each"
        )
    return several


def _pair_rows(
    corpus: str | Path, prompts: dict[Prompt, list[Candidate]], judged: dict[Prompt, Judged]
) -> tuple[PairRow, ...]:
    """Return the pairs of all prompts, in the order of the catalogue."""
    files, rows = ClipFiles.read(corpus), []
    for prompt, own in track(prompts.items(), len(prompts), "Pairing"):
        preferred = judged[prompt].preferred
        taken = {place for one in preferred for place in (one.winner, one.loser)}
        first = {place: files.frames(own[place].row, 1)[0].astype(float) for place in taken}
        for one in preferred:
            winner, loser = own[one.winner].clip, own[one.loser].clip
            same = np.abs(first[one.winner] - first[one.loser]).mean() < SAME
            task = "I2V" if same else "T2V"
            rows.append(PairRow(f"{winner}>{loser}", winner, loser, task, one.margin, "truth"))
    return tuple(rows)


def _report(
    prompts: dict[Prompt, list[Candidate]], judged: dict[Prompt, Judged], rows: Sequence[PairRow]
) -> None:
    """Print how many pairs there are, what was left out and why."""
    every = judged.values()
    clips, tasks = sum(map(len, prompts.values())), [row.task for row in rows]
    small = sum(one.small_gap for one in every)
    print(
        f"{len(rows):,} pairs of {clips:,} candidates of {len(prompts):,} prompts: "
        f"{tasks.count('I2V'):,} I2V, {tasks.count('T2V'):,} T2V"
    )
    print(
        f"  left out: {sum(one.refused for one in every):,} pairs for a rating below the threshold "
        f"({sum(one.broken for one in every):,} candidates have one), "
        f"{sum(one.even for one in every):,} rated alike, "
        f"{sum(one.narrow for one in every):,} within the margin"
    )
    print(
        f"  small gap: {small:,} prompts ({small / len(prompts):.0%}), "
        f"{sum(len(one.unsure) for one in every):,} pairs for experts to decide"
    )


def _write_unsure(
    path: Path,
    prompts: dict[Prompt, list[Candidate]],
    judged: dict[Prompt, Judged],
    judging: Judging,
) -> None:
    """Write what experts should decide, a line a pair."""
    with whole_file(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as out:
        lines = csv.writer(out)
        lines.writerow(LABELLED)
        for prompt, own in prompts.items():
            for a, b in judged[prompt].unsure:
                rewards = [judging.reward(own[place].rating) for place in (a, b)]
                lines.writerow([prompt[0], own[a].clip, own[b].clip, *rewards, ""])
