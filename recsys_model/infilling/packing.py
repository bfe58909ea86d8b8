"""Pack examples into rows.

Position ids count inside an example and attention does not cross examples, so a row may be longer than the sequence
length of the model. Packing does not change which examples form a batch, so a step learns the same.
"""

from collections.abc import Sequence


def fill_rows(lens: Sequence[int], row_tokens: int) -> list[list[int]]:
    """Return the examples of each row: the longest first, each into the row that has the fewest tokens.

    All rows are as wide as the fullest, so filling them evenly wastes less than filling one after the other.
    There are as few rows as hold `row_tokens` tokens each; a longer example widens all.

    Example:
        >>> fill_rows([5, 4, 2, 3, 1], row_tokens=8)
        [[0, 2, 4], [1, 3]]
    """
    order = sorted(range(len(lens)), key=lambda index: (-lens[index], index))
    limit = max(row_tokens, *lens)
    num_rows = -(-sum(lens) // limit)
    while True:
        rows: list[list[int]] = [[] for _ in range(num_rows)]
        filled = [0] * num_rows
        for index in order:
            row = filled.index(min(filled))
            rows[row].append(index)
            filled[row] += lens[index]
        if max(filled) <= limit:
            return rows
        num_rows += 1
