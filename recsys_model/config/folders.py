"""Folder names inside datasets, checkpoints and bundles."""

WEIGHTS_FOLDER = "weights"
"""Weights of a model, with `config.json`."""
TOKENIZER_FOLDER = "tokenizer"
"""Files of a tokenizer."""
ENTITIES_FOLDER = "entities"
"""The entity head, if the model has one; next to the weights or the adapter."""
