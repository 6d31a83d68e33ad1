"""Pure functions on tensors, each citing its equation; averaged within an image, then over images."""
