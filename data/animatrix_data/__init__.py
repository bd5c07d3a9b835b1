"""The Production Knowledge System (paper section 3): data without jax."""
