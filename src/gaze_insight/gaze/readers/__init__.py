"""Readers of gaze files; each is named in the registry beside this file."""
