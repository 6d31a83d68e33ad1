"""Scores of predictions against true masks, and what they are worth statistically."""
