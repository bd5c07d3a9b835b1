"""AniMatrix in JAX: the model and everything that trains, runs and measures it."""
