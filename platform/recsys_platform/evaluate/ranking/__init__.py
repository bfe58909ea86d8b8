"""How well items are ranked: held-out cases, what competes, ranks of every method, and the metrics made of them."""
