"""The columns of the items table on disk, in datasets and bundles: one Parquet file, a row per item in catalogue order.

A column of numbers is stored as float64, one of texts as lists of strings.
"""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from recsys_model.entities.item_columns import ItemColumns, build_columns
from recsys_model.entities.value_columns import NumberColumn, ValueColumn
from recsys_model.errors import CheckpointError, DataError

COLUMNS_NAME = "item_columns.parquet"


def write_columns(folder: Path, columns: ItemColumns) -> None:
    """Write columns into `folder`, which must exist."""
    arrays = {name: _to_arrow(columns.column(name)) for name in columns.kinds}
    pq.write_table(pa.table(arrays), folder / COLUMNS_NAME, compression="zstd")


def load_columns(folder: Path, num_items: int) -> ItemColumns | None:
    """Return what `write_columns` wrote, None where there is no such file.

    Raises:
        CheckpointError: the file cannot be read, or has another number of items.
    """
    path = folder / COLUMNS_NAME
    if not path.is_file():
        return None
    try:
        table = pq.read_table(path)
        return build_columns({name: table[name].to_pylist() for name in table.column_names}, num_items)
    except (pa.ArrowException, OSError, DataError) as error:
        raise CheckpointError(
            f"{path} does not hold the columns of {num_items} items: {error}; run the stage that wrote it again"
        ) from error


def _to_arrow(column: ValueColumn) -> pa.Array:
    if isinstance(column, NumberColumn):
        return pa.array(column.numbers, pa.float64(), from_pandas=True)
    groups = column.groups
    texts = pa.array(column.texts, pa.string()).take(pa.array(groups.codes))
    return pa.ListArray.from_arrays(pa.array(groups.starts.astype("int32")), texts)
