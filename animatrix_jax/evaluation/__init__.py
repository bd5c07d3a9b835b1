"""Oracles at work: adherence and its statistics."""
