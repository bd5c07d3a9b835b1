"""Attention over [batch, length, heads, head_dim], one function for every backend."""
