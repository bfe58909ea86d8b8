"""Read the examples of one split from their Parquet files by row number.

Each worker reads its rows with pyarrow. All workers compute the same order, make the same number of steps, and can
start at any step; a streamed split offers none of these.
"""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import torch
from numpy.typing import NDArray

from recsys_model.errors import CheckpointError
from recsys_model.text.textualize import TokenizedText

TEXT_COLUMNS = ("token_ids", "entity_starts", "entity_ends", "entity_items", "sentence_ends")
KEY_COLUMNS = ("user_id", "target_index")
KEPT_BYTES = 256 * 2**20
"""Size of the cached row groups; a chunk of shuffled rows reads many groups, and the next chunk reads the same ones."""


@dataclass(frozen=True, slots=True)
class TextRow:
    """One user text and its key."""

    text: TokenizedText
    """The text, the target as its last entity."""
    user_id: str
    """Whose text it is."""
    target_index: int
    """Place of the target in the user's sequence."""


class ExampleReader:
    """Random access to the rows of a folder of Parquet files; keeps the row groups that it read last."""

    def __init__(self, folder: Path, further_columns: Sequence[str] = ()) -> None:
        """Read the footers of all files, in the order of their names; `further_columns` are read with the others.

        Raises:
            CheckpointError: there is no Parquet file, or one lacks a column.
        """
        self._columns = list(dict.fromkeys((*KEY_COLUMNS, *TEXT_COLUMNS, *further_columns)))
        self._groups: list[tuple[Path, int]] = []
        self._kept: OrderedDict[int, pa.Table] = OrderedDict()
        self._kept_bytes = 0
        self.group_sizes: list[int] = []
        paths = sorted(folder.glob("*.parquet"))
        if not paths:
            raise CheckpointError(f"{folder} holds no Parquet file; run the data stage again")
        for path in paths:
            self._add(path)
        self._group_ends = np.cumsum(np.asarray(self.group_sizes, dtype=np.int64))

    @property
    def num_rows(self) -> int:
        """Rows in all files."""
        return sum(self.group_sizes)

    def read(self, rows: NDArray[np.int64]) -> pa.Table:
        """Return these rows in this order; rows may repeat."""
        group_of_row = np.searchsorted(self._group_ends, rows, side="right")
        groups = np.unique(group_of_row)
        tables = [self._read_group(group) for group in groups]
        sizes = np.asarray([table.num_rows for table in tables])
        starts_in_tables = np.cumsum(sizes) - sizes
        starts_in_split = self._group_ends[groups] - sizes
        position = np.searchsorted(groups, group_of_row)
        return pa.concat_tables(tables).take(rows - starts_in_split[position] + starts_in_tables[position])

    def _add(self, path: Path) -> None:
        footer = pq.read_metadata(path)
        missing = sorted(set(self._columns) - set(footer.schema.to_arrow_schema().names))
        if missing:
            raise CheckpointError(f"{path} lacks the columns {missing}; run the data stage again")
        for group in range(footer.num_row_groups):
            self._groups.append((path, group))
            self.group_sizes.append(footer.row_group(group).num_rows)

    def _read_group(self, group: int) -> pa.Table:
        if group in self._kept:
            self._kept.move_to_end(group)
            return self._kept[group]
        path, number = self._groups[group]
        with pq.ParquetFile(path) as file:
            table = file.read_row_group(number, columns=self._columns)
        self._kept[group] = table
        self._kept_bytes += table.nbytes
        while self._kept_bytes > KEPT_BYTES:
            _, oldest = self._kept.popitem(last=False)
            self._kept_bytes -= oldest.nbytes
        return table


def item_shares(folder: Path, num_items: int) -> torch.Tensor:
    """Return the share of each item among all items in the texts of a folder's examples, [items]."""
    counts = np.zeros(num_items, dtype=np.int64)
    for path in sorted(folder.glob("*.parquet")):
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(columns=["entity_items"]):
                items = batch.column(0).flatten().to_numpy(zero_copy_only=False)
                counts += np.bincount(items[items >= 0], minlength=num_items)
    return torch.from_numpy(counts / max(int(counts.sum()), 1)).float()


def token_counts(table: pa.Table) -> NDArray[np.int64]:
    """Return the number of tokens of each row."""
    return pc.call_function("list_value_length", [table["token_ids"]]).to_numpy().astype(np.int64)


def to_examples(table: pa.Table) -> list[TextRow]:
    """Turn the rows of a table into examples."""
    columns: dict[str, Sequence[list[int]]] = {name: table[name].to_pylist() for name in TEXT_COLUMNS}
    texts = [TokenizedText(*values) for values in zip(*columns.values(), strict=True)]
    keys = zip(table["user_id"].to_pylist(), table["target_index"].to_pylist(), strict=True)
    return [TextRow(text, user_id, index) for text, (user_id, index) in zip(texts, keys, strict=True)]
