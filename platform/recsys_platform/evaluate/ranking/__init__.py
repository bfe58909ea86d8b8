"""Ranking of held-out items: cases, candidates, ranks of every method, and metrics."""
