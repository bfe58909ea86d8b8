"""The interactions of a dataset, user by user, as several stages read them."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from recsys_platform.artifacts import read_manifest
from recsys_platform.splits import split_of

UserEvents = tuple[np.ndarray, np.ndarray]
"""Catalogue indices and times of one user's events, in order."""


def iter_sequences(dataset_folder: Path) -> Iterator[tuple[str, UserEvents]]:
    """Yield every user and the user's whole sequence, file by file."""
    for file in sorted((dataset_folder / "interactions").glob("*.parquet")):
        table = pq.read_table(file, columns=["user_id", "items", "timestamps"]).combine_chunks()
        for user_id, items, times in zip(
            table["user_id"].to_pylist(), table["items"], table["timestamps"], strict=True
        ):
            yield (
                user_id,
                (
                    items.values.to_numpy(zero_copy_only=False).astype(np.int64),
                    times.values.to_numpy(zero_copy_only=False),
                ),
            )


def iter_training_sequences(dataset_folder: Path) -> Iterator[np.ndarray]:
    """Yield the catalogue indices of each user's training events, in order; nothing that is held out."""
    split = split_of(read_manifest(dataset_folder, "dataset").counts)
    for _, (items, times) in iter_sequences(dataset_folder):
        yield items[: split.num_training(times.tolist())]
