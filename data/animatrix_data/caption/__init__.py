"""Structured captions and their way to tags and directives (paper 3.4, A.2)."""

from animatrix_data.caption.schema import (
    StructuredCaption,
    from_spec,
    parse_caption,
    to_directive,
    to_spec,
)

__all__ = ["StructuredCaption", "from_spec", "parse_caption", "to_directive", "to_spec"]
