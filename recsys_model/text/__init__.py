"""Turns table rows into text with marked entities."""
