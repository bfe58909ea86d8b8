"""Names in artifacts that one stage writes and another reads: stages do not import each other."""

from recsys_model.config.folders import TOKENIZER_FOLDER as TOKENIZER_FOLDER

METRICS_FILE = "metrics.jsonl"
"""The metrics of a training, in its run folder and its checkpoint: JSON lines, each with the `step` it was measured at."""
FAMILY_LOSS = "eval/loss_"
"""Metric of the validation loss of one family of tasks; the family follows."""
