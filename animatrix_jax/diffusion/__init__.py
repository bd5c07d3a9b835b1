"""Noise schedule, guidance and solvers: arrays and callables, no models."""
