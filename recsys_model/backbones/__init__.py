"""Language models with one small interface."""
