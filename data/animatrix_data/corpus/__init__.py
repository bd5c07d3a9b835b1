"""Clips on disk: the catalogue, video in and out, cached latents."""
