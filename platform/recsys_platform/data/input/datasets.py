"""Tables as Ray datasets, whose tasks read one part each, and counting in tasks."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import ray
from ray.data.block import BlockMetadata
from ray.data.datasource import Datasource, ReadTask

from recsys_platform.data.input.rows import RowCount
from recsys_platform.data.input.sources import count_chunk, read_chunk
from recsys_platform.data.input.table import Chunk, Table

ESTIMATED_BYTES_PER_ROW = 64


def build_dataset(table: Table) -> ray.data.Dataset:
    """Return the table as a dataset that reads when it is consumed."""
    return ray.data.read_datasource(TableDatasource(table), override_num_blocks=len(table.chunks))


def count_in_tasks(table: Table, parts: Sequence[tuple[str, int | None]]) -> list[RowCount]:
    """Count the rows of files and row groups in parallel; one part is counted here."""
    if len(parts) == 1:
        return [count_chunk(table, *parts[0])]
    count = ray.remote(count_chunk)
    table_ref = ray.put(table)
    return ray.get([count.remote(table_ref, path, group) for path, group in parts])


class TableDatasource(Datasource):
    """Reads a `Table` chunk by chunk."""

    def __init__(self, table: Table) -> None:
        super().__init__()
        self._table = table

    def get_name(self) -> str:
        """Return the name that progress bars show."""
        return self._table.files.table.capitalize()

    def estimate_inmemory_data_size(self) -> int | None:
        """Return a rough size, from which Ray Data plans its tasks."""
        return self._table.num_rows * ESTIMATED_BYTES_PER_ROW

    def get_read_tasks(
        self, parallelism: int, per_task_row_limit: int | None = None, data_context: Any = None
    ) -> list[ReadTask]:
        """Return one task a chunk, whatever `parallelism` asks for."""
        del parallelism, data_context
        return [
            ReadTask(partial(read_chunk, self._table, chunk), _metadata(chunk), per_task_row_limit=per_task_row_limit)
            for chunk in self._table.chunks
        ]


def _metadata(chunk: Chunk) -> BlockMetadata:
    num_rows = chunk.num_rows - chunk.num_left_out
    return BlockMetadata(
        num_rows=num_rows,
        size_bytes=num_rows * ESTIMATED_BYTES_PER_ROW,
        exec_stats=None,
        input_files=(chunk.path,),
    )
