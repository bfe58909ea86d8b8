"""Sparse co-occurrence counts: how often one item came later than another in training sequences."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from recsys_model.entity_head.pairs import Sequences, count_later_pairs
from recsys_model.errors import CheckpointError

SMALLEST_SHARE = 0.01
"""Earlier items of a history with a smaller share are ignored."""


@dataclass(frozen=True, eq=False)
class CoOccurrenceCounts:
    """For each item, the items that came later in a sequence and log(1 + their counts)."""

    row_starts: npt.NDArray[np.int64]
    """The successors of item i are entries `row_starts[i] .. row_starts[i + 1] - 1`, [items + 1]."""
    successors: npt.NDArray[np.int64]
    """Catalogue indices, ascending in each row."""
    log_counts: npt.NDArray[np.float32]
    """log(1 + n) of each."""

    def after(self, item: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
        """Return the successors of an item and their log-counts; nothing for an unknown one, or for a negative index."""
        if not 0 <= item < len(self.row_starts) - 1:
            return self.successors[:0], self.log_counts[:0]
        row = slice(self.row_starts[item], self.row_starts[item + 1])
        return self.successors[row], self.log_counts[row]

    def after_history(
        self, history: Sequence[int], decay: float
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
        """Return the successors of the items of a history, ascending, and log(1 + n).

        n is the sum over the history, in which the last item counts once and each earlier one `decay` times the one
        behind it, until that is below `SMALLEST_SHARE`.

        Example:
            >>> counts = count_co_occurrences([[0, 2], [1, 2], [1, 3]], num_items=4)
            >>> items, log_counts = counts.after_history([0, 1], decay=0.5)
            >>> items.tolist(), np.expm1(log_counts).round(3).tolist()
            ([2, 3], [1.5, 1.0])
        """
        shares = []
        share = 1.0
        for item in reversed(history):
            shares.append((item, share))
            share *= decay
            if share < SMALLEST_SHARE:
                break
        if len(shares) == 1:
            return self.after(history[-1])
        rows = [(*self.after(item), share) for item, share in shares]
        successors = np.concatenate([self.successors[:0], *(row_items for row_items, _, _ in rows)])
        counts = np.concatenate([np.zeros(0), *(share * np.expm1(logs.astype(np.float64)) for _, logs, share in rows)])
        items, place = np.unique(successors, return_inverse=True)
        return items, np.log1p(np.bincount(place, weights=counts, minlength=len(items))).astype(np.float32)

    def write(self, path: Path) -> None:
        """Write the three arrays as safetensors."""
        arrays = {
            "row_starts": self.row_starts,
            "successors": self.successors.astype(np.int32),
            "log_counts": self.log_counts,
        }
        save_file(arrays, str(path))


def count_co_occurrences(sequences: Sequences, num_items: int) -> CoOccurrenceCounts:
    """Count over training sequences.

    Example:
        >>> counts = count_co_occurrences([[0, 2, 1], [0, 2]], num_items=3)
        >>> items, log_counts = counts.after(0)
        >>> items.tolist(), np.expm1(log_counts).round().tolist()
        ([1, 2], [1.0, 2.0])
    """
    pair_P, count_P = count_later_pairs(sequences, num_items)
    row_starts = np.searchsorted(pair_P // num_items, np.arange(num_items + 1)).astype(np.int64)
    return CoOccurrenceCounts(row_starts, pair_P % num_items, np.log1p(count_P).astype(np.float32))


def load_counts(path: Path) -> CoOccurrenceCounts:
    """Read what `CoOccurrenceCounts.write` wrote.

    Raises:
        CheckpointError: the file is missing or damaged.
    """
    try:
        arrays = load_file(str(path))
        starts, successors, log_counts = (arrays[name] for name in ("row_starts", "successors", "log_counts"))
    except (OSError, SafetensorError, KeyError) as error:
        raise CheckpointError(f"{path} holds no co-occurrence counts: {error!r}; train again") from error
    num_items = len(starts) - 1
    fits = starts.ndim == 1 and num_items >= 0 and starts[0] == 0 and bool((np.diff(starts) >= 0).all())
    if not (fits and starts[-1] == len(successors) == len(log_counts)) or (
        len(successors) and not 0 <= successors.min() <= successors.max() < num_items
    ):
        raise CheckpointError(f"{path} holds counts that contradict each other; train again")
    return CoOccurrenceCounts(starts, successors.astype(np.int64), log_counts.astype(np.float32))
