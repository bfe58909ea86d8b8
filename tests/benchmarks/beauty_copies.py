"""Write copies of Amazon Beauty: each copy has the same events under its own user ids."""

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

BEAUTY = Path("../shared/data/amazon_beauty")
COLUMNS = ["user_id", "item_id", "position", "timestamp", "rating"]


def write_copies(data: Path, folder: Path, copies: float) -> Path:
    """Write the table unless it is there, and return its path; below 1 it holds that share of the users."""
    path = folder / f"interactions-{copies:g}.parquet"
    if path.is_file():
        return path
    table = pq.read_table(data / "interactions.parquet", columns=COLUMNS).replace_schema_metadata(None)
    if copies < 1:
        users = pc.unique(table["user_id"])
        table = table.filter(pc.is_in(table["user_id"], value_set=users[: int(copies * len(users))]))
    partial = path.with_suffix(".partial")
    with pq.ParquetWriter(partial, table.schema, compression="zstd") as writer:
        for copy in range(max(1, round(copies))):
            ids = pc.binary_join_element_wise(table["user_id"], pa.scalar(str(copy)), "-")
            writer.write_table(table.set_column(0, "user_id", ids), row_group_size=table.num_rows)
    return partial.rename(path)
