"""A complete fake MIMIC-Eye tree: drawn radiographs, made-up patients, simulated readers, invented words."""
