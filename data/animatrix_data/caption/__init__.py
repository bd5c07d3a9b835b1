"""Structured captions and their way to tags and directives (section 3.4, appendix A.2)."""
