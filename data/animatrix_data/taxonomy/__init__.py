"""The S×M×C×V vocabulary, tags, production specs and the three-section directive (paper 3.3)."""

from animatrix_data.taxonomy.directive import Directive, parse_directive, print_directive
from animatrix_data.taxonomy.tags import (
    MAX_TAGS,
    VALUE_COUNT,
    ProductionSpec,
    Tag,
    TagArrays,
    parse_tags,
    print_tags,
    tag_arrays,
)
from animatrix_data.taxonomy.vocabulary import (
    AXES,
    DIRECTIONS,
    FIELDS,
    LEVELS,
    Term,
    Vocabulary,
    load_vocabulary,
)

__all__ = [
    "AXES",
    "DIRECTIONS",
    "FIELDS",
    "LEVELS",
    "MAX_TAGS",
    "VALUE_COUNT",
    "Directive",
    "ProductionSpec",
    "Tag",
    "TagArrays",
    "Term",
    "Vocabulary",
    "load_vocabulary",
    "parse_directive",
    "parse_tags",
    "print_directive",
    "print_tags",
    "tag_arrays",
]
