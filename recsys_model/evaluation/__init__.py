"""Metrics of ranked recommendations, and the baselines that a model has to beat."""
