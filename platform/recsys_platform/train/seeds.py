"""The range of all seeds of a training."""

MAX_SEED = 2**63
"""Seeds are taken modulo this number: `torch.manual_seed` takes 64 bits, and NumPy refuses only negative seeds."""
