"""Grain pipelines: conditioning modes, buckets, the loader (sections 4.2, 5.1)."""
