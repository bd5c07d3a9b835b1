"""One file a verb: composition of the rooms below, nothing else."""
