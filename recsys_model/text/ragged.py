"""Lists of different lengths in two flat arrays.

Shape suffixes: L = lists, V = values of all lists.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Ragged:
    """Lists of integers."""

    values: Ints
    """All of them, list after list (V)."""
    offsets: Ints
    """Where each list begins, and the end of the last (L + 1)."""

    @property
    def lengths(self) -> Ints:
        """Number of values of each list (L)."""
        return np.diff(self.offsets)

    def to_lists(self) -> list[list[int]]:
        """Return the lists (L)."""
        values = self.values.tolist()
        return [values[start:end] for start, end in itertools.pairwise(self.offsets.tolist())]

    @classmethod
    def of_lists(cls, lists: Sequence[Sequence[int]]) -> "Ragged":
        """Flatten lists.

        Example:
            >>> Ragged.of_lists([[4], [], [5, 6]]).offsets.tolist()
            [0, 1, 1, 3]
        """
        offsets = offsets_of(np.array([len(values) for values in lists], dtype=np.int64))
        return cls(np.fromiter(itertools.chain.from_iterable(lists), np.int64, int(offsets[-1])), offsets)


def offsets_of(lengths_L: Ints) -> Ints:
    """Return where each list begins, and the end of the last (L + 1)."""
    return np.append(0, np.cumsum(lengths_L)).astype(np.int64)


def places_in(starts_L: Ints, lengths_L: Ints) -> Ints:
    """Return the places (V) of runs that begin at `starts_L` and are so long.

    Example:
        >>> places_in(np.array([7, 0]), np.array([2, 3])).tolist()
        [7, 8, 0, 1, 2]
    """
    ends_L = np.cumsum(lengths_L)
    return np.repeat(starts_L - ends_L + lengths_L, lengths_L) + np.arange(ends_L[-1] if len(ends_L) else 0)
