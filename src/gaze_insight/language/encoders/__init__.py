"""Encoders that turn descriptions into tokens for the fusion: learned attributes or a transformer."""
