"""What is drawn, how often and when: balance, curriculum, selection (sections 3.6, 5)."""
