"""The Style x Motion x Camera x VFX vocabulary, production tags and the directive (section 3.3)."""
