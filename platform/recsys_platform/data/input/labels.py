"""Tables of impressions: a column of 0 and 1 says which of them were clicked, and only the user knows which rows count."""

import dataclasses
from collections.abc import Iterator

import pyarrow as pa

from recsys_model.errors import DataError
from recsys_platform.data.input.conditions import to_number
from recsys_platform.data.input.found_columns import look_at_columns
from recsys_platform.data.input.sources import read_head
from recsys_platform.data.input.table import Table

LABEL_NAMES = ("label", "click", "clicked", "is_click", "is_clicked")
ROWS_LOOKED_AT = 10_000


def refuse_silent_labels(table: Table) -> None:
    """Raise if the interactions have a column that tells clicks from impressions and no setting mentions it.

    Raises:
        DataError: they do; it proposes `input.interactions.where`.
    """
    for name in find_silent_labels(table):
        raise DataError(
            f"{table.files.where} has a column {name} with the values 0 and 1, as tables of impressions do that were clicked "
            f"or not. Set input.interactions.where to `{name} == 1` if only clicks are interactions, or to `{name} in (0, 1)` "
            "if all rows are"
        )


def find_silent_labels(table: Table) -> Iterator[str]:
    """Yield the columns that look like labels, by the first rows, and that no setting mentions."""
    mentioned = {*table.columns.values(), *table.shape.columns}
    names = [name for name in look_at_columns(table.files).names if name.lower() in LABEL_NAMES]
    for name in names:
        if name not in mentioned:
            head = read_head(dataclasses.replace(table, columns={name: name}), ROWS_LOOKED_AT)
            if _is_label(head[name]):
                yield name


def _is_label(column: pa.ChunkedArray) -> bool:
    """Whether a column has the values 0 and 1, and no other."""
    values = {to_number(value) for value in column.to_pylist() if value is not None}
    return values == {0, 1}
