"""Hypothesis strategies: tags, specs, prose."""

from hypothesis import strategies as st

from animatrix_data.taxonomy import FIELDS, LEVELS, ProductionSpec, Tag, load_vocabulary

MANY = ("MotionType", "CameraMotion", "VFX")


@st.composite
def tags(draw: st.DrawFn, field: str) -> Tag:
    term = draw(st.sampled_from(load_vocabulary().of_field(field)))
    if not term.directions:
        return Tag(field, term.name, term.key[1])
    level = st.sampled_from((None, *LEVELS))
    direction = draw(st.sampled_from(term.directions))
    return Tag(field, term.name, None, direction, draw(level), draw(level))


@st.composite
def specs(draw: st.DrawFn) -> ProductionSpec:
    found: list[Tag] = []
    for field in FIELDS:
        if field in MANY:
            found += draw(st.lists(tags(field), max_size=4))
        elif field == "Emotion":
            emotions = draw(st.lists(tags(field), max_size=3))
            found += {tag.term.category: tag for tag in emotions}.values()
        else:
            found += draw(st.lists(tags(field), max_size=1))
    return ProductionSpec(tuple(draw(st.permutations(found))))


def prose() -> st.SearchStrategy[str]:
    awkward = st.sampled_from(
        ["<tag>", "<summary>", "<description>", "</tag>", "<\\summary>", "<\\\\Description>",
         "<subject_0>", "\\", "<", "->", ":", ", ", ";", "(", "\n", "\r\n", "\u2028", "\ufeff",
         "𝄞", "ſ", "<TAG>", "<ſummary>", "\x00", "&lt;"]
    )  # fmt: skip
    return st.lists(st.one_of(awkward, st.text(max_size=6)), max_size=8).map("".join)
