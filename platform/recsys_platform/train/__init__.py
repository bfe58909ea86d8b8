"""The training stage: Ray Train around a DeepSpeed engine."""
