"""Directives of drawn clips parse, stay short, and say what is in the picture."""

from animatrix_data.caption.schema import parse_caption, to_spec
from animatrix_data.procedural import sample_spec
from animatrix_data.procedural.captions import (
    HAIR_WORDS,
    LIGHT_WORDS,
    PLACE_WORDS,
    structured_caption,
    write_directive,
)
from animatrix_data.procedural.content import sample_content
from animatrix_data.taxonomy import parse_directive, print_directive

SEEDS = range(150)


def test_directives_parse_back_and_stay_short() -> None:
    for seed in SEEDS:
        spec, content = sample_spec(seed), sample_content(seed)
        for mention in (0.15, 1.0):
            directive = write_directive(spec, content, seed, mention)
            assert parse_directive(print_directive(directive)) == directive
            assert 0 < len(directive.summary) <= 75
            assert len(directive.text.encode()) <= 150


def test_the_text_describes_the_content() -> None:
    for seed in SEEDS:
        content = sample_content(seed)
        text = write_directive(sample_spec(seed), content, seed, 0.0).text.lower()
        assert content.person in text
        assert HAIR_WORDS[content.hair].format(content.hair_colour) in text
        assert content.outfit_colour in text
        assert any(words in text for words in PLACE_WORDS[content.place])
        assert any(words in text for words in LIGHT_WORDS[content.light])


def test_tags_are_named_as_often_as_asked() -> None:
    def words(mention: float) -> int:
        texts = [write_directive(sample_spec(s), sample_content(s), s, mention).text for s in SEEDS]
        return sum(len(text.split()) for text in texts)

    assert words(0.0) < words(0.15) < words(1.0)


def test_the_wording_varies() -> None:
    content = sample_content(1)
    texts = {write_directive(sample_spec(1), content, seed, 0.0).text for seed in SEEDS}
    assert len(texts) > 15


def test_the_structured_caption_says_the_tags() -> None:
    for seed in range(30):
        spec = sample_spec(seed)
        caption = structured_caption(spec, sample_content(seed))
        assert to_spec(parse_caption(caption.to_json())) == spec
