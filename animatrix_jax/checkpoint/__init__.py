"""Training state and model folders on disk."""
