"""The evaluation stage: rank every held-out item over a Ray cluster, and report."""
