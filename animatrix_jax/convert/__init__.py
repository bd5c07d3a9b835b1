"""Foreign weights, in and out: the only place that knows foreign names."""
