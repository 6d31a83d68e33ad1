"""Methods: one file each, networks and losses composed into one training step. Never a loop."""
