"""Generation: from a directive to frames."""
