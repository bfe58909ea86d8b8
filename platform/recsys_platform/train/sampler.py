"""The order of the rows of a split, and the share of each worker; numbers only, no files.

The order of an epoch depends on the seed, the epoch and the global batch size, not on the number of workers. Row groups
are shuffled and taken in chunks, rows are shuffled inside a chunk, and neighbours in a window are sorted by length, so
that a batch needs little padding.

Rows left over from a chunk join the next one. Every row occurs exactly once per epoch; only the last batch is filled up
with rows from the beginning of the epoch.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recsys_model.errors import DataError
from recsys_platform.splits import DatasetSplit
from recsys_platform.train.seeds import MAX_SEED

CHUNK_ROWS = 16_384
"""Rows that are in memory together; a chunk ends with the row group that reaches it."""
WINDOW_BATCHES = 32
"""Global batches among which rows are sorted by length."""

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class RowChunk:
    """Rows that are read together and make up whole global batches."""

    number: int
    """Counts from 0 within the epoch."""
    first_batch: int
    """Batches of the epoch before this chunk."""
    rows: Rows
    """Row numbers over the whole split, shuffled; a multiple of the global batch."""


class EpochOrder:
    """The chunks of one epoch."""

    def __init__(
        self,
        group_sizes: Sequence[int],
        global_batch_size: int,
        key: tuple[int, int],
        chunk_rows: int = CHUNK_ROWS,
    ) -> None:
        """Take the rows of each row group, the rows of a global batch and (seed, epoch)."""
        self._group_sizes = np.asarray(group_sizes, dtype=np.int64)
        self._global_batch_size = global_batch_size
        self._key = key
        self._chunk_rows = chunk_rows
        self.num_batches = count_batches(int(self._group_sizes.sum()), global_batch_size)

    def chunks(self, start_batch: int = 0) -> Iterator[RowChunk]:
        """Yield the chunks, beginning with the one that holds `start_batch`."""
        first_batch = 0
        beginning = left_over = np.empty(0, dtype=np.int64)
        for number, groups in enumerate(self._chunked_groups()):
            rows = self._rows_of(groups)
            np.random.default_rng((*self._key, 1, number)).shuffle(rows)
            beginning = np.concatenate([beginning, rows])[: self._global_batch_size]
            rows = np.concatenate([left_over, rows])
            num_whole = len(rows) // self._global_batch_size
            if groups[-1] == self._last_group and len(rows) % self._global_batch_size:
                num_whole += 1
                missing = num_whole * self._global_batch_size - len(rows)
                rows = np.concatenate([rows, np.resize(beginning, missing)])
            cut = num_whole * self._global_batch_size
            left_over = rows[cut:]
            if num_whole and first_batch + num_whole > start_batch:
                yield RowChunk(number, first_batch, rows[:cut])
            first_batch += num_whole
        assert first_batch == self.num_batches, "the chunks hold every batch of the epoch"

    def batches(self, chunk: RowChunk, lengths: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return, batch by batch, indices into `chunk.rows`, of shape [batches, rows of a batch].

        `lengths` are the tokens of each row of the chunk.
        """
        rng = np.random.default_rng((*self._key, 2, chunk.number))
        window_rows = WINDOW_BATCHES * self._global_batch_size
        windows = [
            start + np.argsort(lengths[start : start + window_rows], kind="stable")
            for start in range(0, len(chunk.rows), window_rows)
        ]
        batches = np.concatenate(windows).reshape(-1, self._global_batch_size)
        return rng.permutation(batches, axis=0)

    def _chunked_groups(self) -> Iterator[NDArray[np.int64]]:
        """Yield the shuffled row groups in runs of about `chunk_rows` rows."""
        groups = np.flatnonzero(self._group_sizes)
        np.random.default_rng((*self._key, 0)).shuffle(groups)
        self._last_group = groups[-1]
        filled = np.cumsum(self._group_sizes[groups])
        start = 0
        while start < len(groups):
            before = filled[start - 1] if start else 0
            end = int(np.searchsorted(filled, before + self._chunk_rows)) + 1
            yield groups[start:end]
            start = end

    def _rows_of(self, groups: NDArray[np.int64]) -> Rows:
        first_rows = np.cumsum(self._group_sizes) - self._group_sizes
        return np.concatenate([first_rows[group] + np.arange(self._group_sizes[group]) for group in groups])


def count_batches(num_rows: int, global_batch_size: int) -> int:
    """Return how many global batches an epoch has; the last one is filled up.

    Raises:
        DataError: there is no row.

    Example:
        >>> count_batches(9, 4)
        3
    """
    if num_rows == 0:
        raise DataError(f"the dataset has no training example. {DatasetSplit().describe_training()}")
    return -(-num_rows // global_batch_size)


def share_of_rank(batch: NDArray[np.int64], worker_rank: int, num_workers: int, micro_batch_size: int) -> list[Rows]:
    """Return the rows of one worker in a global batch, one array per micro step.

    Example:
        >>> [part.tolist() for part in share_of_rank(np.arange(8), 1, 2, 2)]
        [[1, 3], [5, 7]]
    """
    mine = batch[worker_rank::num_workers]
    return [mine[start : start + micro_batch_size] for start in range(0, len(mine), micro_batch_size)]


def validation_rows(num_rows: int, limit: int, seed: int) -> Rows:
    """Return at most `limit` distinct rows, ascending; the same ones whatever the number of workers.

    Example:
        >>> validation_rows(3, 10, seed=0).tolist()
        [0, 1, 2]
    """
    if num_rows <= limit:
        return np.arange(num_rows)
    return np.sort(np.random.default_rng(seed % MAX_SEED).choice(num_rows, size=limit, replace=False))


def share_of_batches(rows: Rows, micro_batch_size: int, worker_rank: int, num_workers: int) -> list[tuple[Rows, bool]]:
    """Return the rows of each of this worker's batches, equally many on all workers, and whether they count.

    Workers take turns row by row, so rows of one length go to all of them.
    """
    num_rounds = -(-len(rows) // (micro_batch_size * num_workers))
    mine = rows[worker_rank::num_workers]
    parts = [(mine[start : start + micro_batch_size], True) for start in range(0, len(mine), micro_batch_size)]
    return parts + [(rows[:1], False)] * (num_rounds - len(parts))
