"""Refuse a dataset that nobody can train on, and count what was left out of its texts."""

from collections.abc import Mapping, Sequence
from typing import Any

from recsys_model.errors import DataError
from recsys_platform.config.input import DataConfig
from recsys_platform.data.survey import Survey
from recsys_platform.splits import MIN_EVENTS_TO_TRAIN, NUM_HELD_OUT, SPLIT_NAMES, DatasetSplit


def refuse_short_sequences(survey: Survey, data: DataConfig, dataset_split: DatasetSplit) -> None:
    """Raise if no user has enough events for a training example, before anything is written.

    Raises:
        DataError: with the rule and the numbers of users.
    """
    if dataset_split.kind == "leave_one_out" and survey.longest < NUM_HELD_OUT + MIN_EVENTS_TO_TRAIN:
        raise DataError(_describe(survey, data, dataset_split, "training"))


def count_examples(
    written: Sequence[Mapping[str, Any]], survey: Survey, data: DataConfig, dataset_split: DatasetSplit
) -> dict[str, int]:
    """Return the number of examples of each split.

    Args:
        written: Rows of `writing.WRITTEN_SCHEMA`.
        survey: Counts of the sequences.
        data: Settings of the stage.
        dataset_split: Which events train, validate and test.

    Raises:
        DataError: there is nothing to train or to validate on, which `recsys train` needs.
    """
    counts: dict[str, int] = {split: sum(row[split] for row in written) for split in SPLIT_NAMES}
    for split, name in (("train", "training"), ("valid", "validation")):
        if counts[split] == 0:
            raise DataError(_describe(survey, data, dataset_split, name))
    return counts


def _describe(survey: Survey, data: DataConfig, dataset_split: DatasetSplit, split: str) -> str:
    long_enough = survey.num_users - survey.num_short_users
    return (
        f"The interactions give no {split} example: of {survey.num_users} users with accepted interactions "
        f"{survey.num_short_users} have fewer than data.min_user_interactions {data.min_user_interactions}, "
        f"{long_enough} have at least that many, and the longest sequence has {survey.longest}. "
        f"{dataset_split.describe_training()} Take a table with longer sequences, and see whether rows were rejected or "
        "left out that belong to them. Nothing was written"
    )
