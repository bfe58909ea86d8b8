"""Items that the interactions describe, in whatever blocks their rows lie."""

from typing import Any

import pyarrow as pa
import pytest

from recsys_platform.data.input.contract import Items
from recsys_platform.data.input.occurring import describe_items, join_descriptions
from recsys_platform.data.input.sources import ROW

EVENTS: list[dict[str, Any]] = [
    {"item_id": "b", "title": None, "brand": "Ada"},
    {"item_id": "a", "title": "Tent", "brand": None},
    {"item_id": "b", "title": "Cup", "brand": "Bo"},
    {"item_id": None, "title": "Lost", "brand": None},
    {"item_id": "a", "title": "Red Tent", "brand": "Cy"},
    {"item_id": "c", "title": " ", "brand": None},
    {"item_id": "b", "title": "Cup", "brand": None},
]


def join(events: list[dict[str, Any]], rows_per_block: int) -> tuple[Items, int]:
    names = [name for name in ("item_id", "title", "brand") if name in events[0]]
    columns = {name: pa.array([event[name] for event in events], pa.string()) for name in names}
    table = pa.table(columns | {ROW: pa.array(range(len(events)), pa.int64())})
    starts = range(0, len(events), rows_per_block)
    blocks = [describe_items(table.slice(start, rows_per_block)) for start in starts]
    return join_descriptions(blocks[::-1])


@pytest.mark.parametrize("rows_per_block", [1, 2, 3, 100])
def test_the_first_row_with_a_title_describes_an_item_however_rows_are_cut(rows_per_block):
    items, num_ambiguous = join(EVENTS, rows_per_block)
    assert list(zip(items.item_ids, items.titles, items.brands, strict=True)) == [
        ("a", "Tent", None),
        ("b", "Cup", "Bo"),
        ("c", "", None),
    ]
    assert (num_ambiguous, items.rejects) == (1, [])


def test_items_without_any_title_are_told_by_their_ids():
    items, num_ambiguous = join([{"item_id": event["item_id"]} for event in EVENTS], 2)
    assert (items.item_ids, items.titles, num_ambiguous) == (["a", "b", "c"], ["", "", ""], 0)


def test_interactions_without_ids_have_no_items():
    assert join([{"item_id": None}], 1)[0].item_ids == []
