from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recsys_model.errors import CheckpointError
from recsys_model.text.textualize import TokenizedText
from recsys_platform.train.reader import ExampleReader, TextRow, to_examples, token_counts

INTS = pa.list_(pa.int32())


def example_table(first: int, count: int) -> pa.Table:
    """Row n has n % 3 + 2 tokens of value n, and one entity, its first token."""
    rows = [
        {
            "user_id": f"u{row}",
            "target_index": row % 5,
            "token_ids": [row] * (row % 3 + 2),
            "entity_starts": [0],
            "entity_ends": [1],
            "entity_items": [row],
            "sentence_ends": [row % 3 + 2],
        }
        for row in range(first, first + count)
    ]
    lists = ("token_ids", "entity_starts", "entity_ends", "entity_items", "sentence_ends")
    columns = [("user_id", pa.string()), ("target_index", pa.int32()), *((name, INTS) for name in lists)]
    return pa.Table.from_pylist(rows, schema=pa.schema(columns))


def write_examples(folder: Path) -> None:
    pq.write_table(example_table(0, 7), folder / "part-0.parquet", row_group_size=3)
    pq.write_table(example_table(7, 0), folder / "part-1.parquet")
    pq.write_table(example_table(7, 4), folder / "part-2.parquet", row_group_size=4)


def test_rows_are_numbered_over_all_files_in_the_order_of_their_names(tmp_path):
    write_examples(tmp_path)
    reader = ExampleReader(tmp_path)

    table = reader.read(np.array([10, 0, 6, 7, 3, 0]))

    assert reader.num_rows == 11
    assert [size for size in reader.group_sizes if size] == [3, 3, 1, 4]
    assert table["user_id"].to_pylist() == ["u10", "u0", "u6", "u7", "u3", "u0"]
    assert token_counts(table).tolist() == [3, 2, 2, 3, 2, 2]


@pytest.mark.parametrize("kept_bytes", [0, 1_000, 2**20])
def test_rows_are_the_same_however_many_groups_are_kept(tmp_path, monkeypatch, kept_bytes):
    monkeypatch.setattr("recsys_platform.train.reader.KEPT_BYTES", kept_bytes)
    write_examples(tmp_path)
    reader = ExampleReader(tmp_path)
    for row in (0, 9, 4, 6, 2, 9, 0, 10):
        assert reader.read(np.array([row])).to_pylist() == example_table(row, 1).to_pylist()


def test_a_row_becomes_a_text_with_its_key(tmp_path):
    write_examples(tmp_path)

    (example,) = to_examples(ExampleReader(tmp_path).read(np.array([8])))

    text = TokenizedText(token_ids=[8] * 4, entity_starts=[0], entity_ends=[1], entity_items=[8], sentence_ends=[4])
    assert example == TextRow(text, "u8", 3)


def test_a_folder_without_examples_is_refused(tmp_path):
    with pytest.raises(CheckpointError, match="no Parquet file; run the data stage again"):
        ExampleReader(tmp_path)


def test_a_missing_column_is_named(tmp_path):
    pq.write_table(example_table(0, 2).drop_columns(["entity_items"]), tmp_path / "part-0.parquet")

    with pytest.raises(CheckpointError, match=r"lacks the columns \['entity_items'\]"):
        ExampleReader(tmp_path)
