"""A model folder brought to life."""
