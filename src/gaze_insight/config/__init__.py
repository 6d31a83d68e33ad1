"""Loading and composing the settings of a run."""
