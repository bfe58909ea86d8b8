"""From tables to text whose entities are known."""
