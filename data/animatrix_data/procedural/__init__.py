"""A small animation studio in code: scenes, renderer and oracles whose truth is known."""
