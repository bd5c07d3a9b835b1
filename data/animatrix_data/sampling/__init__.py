"""Which clip is drawn when: taxonomy resampling, curriculum, mixtures; pure index arithmetic."""
