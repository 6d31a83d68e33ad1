"""The verbs for chest radiographs."""
