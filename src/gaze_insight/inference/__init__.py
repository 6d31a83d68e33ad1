"""Trained networks asked about images."""
