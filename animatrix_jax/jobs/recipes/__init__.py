"""What `train` composes for each objective: data, network, step, measurement, export."""
