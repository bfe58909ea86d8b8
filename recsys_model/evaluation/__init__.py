"""Metrics of recommendations and generated texts, and baselines."""
