"""Networks, written for one device in Flax Linen."""
