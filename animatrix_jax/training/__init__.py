"""State, one step file per objective, the loop, telemetry."""
