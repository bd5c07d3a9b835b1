"""Meshes of devices: who holds which part of parameters, batches and sequences."""
