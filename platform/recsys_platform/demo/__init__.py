"""An embedded shop: made-up customers, items and purchases whose probabilities are known."""
