"""Leave one out: which event is a target in which split, and what an example may know."""

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys_model.config import TextConfig, WindowConfig
from recsys_model.entities.catalog import build_catalog
from recsys_model.text.batch_texts import BatchTextualizer
from recsys_model.text.tokenizer import train_tokenizer
from recsys_platform.config.input import DataConfig
from recsys_platform.data.examples import ExampleTableBuilder
from recsys_platform.data.sequences import USER
from recsys_platform.data.user_sequences import rank_of
from recsys_platform.splits import SPLIT_NAMES, DatasetSplit

TITLES = [f"thing {number}" for number in range(12)]
TOKENIZER = train_tokenizer(TITLES, vocab_size=300)
CATALOG = build_catalog([f"i{number}" for number in range(12)], TITLES, TITLES, [], TOKENIZER)


def builder(
    targets_per_user: int = 1, max_history: int = 50, max_eval_rank: int | None = None, target_stride: int = 1
) -> ExampleTableBuilder:
    textualizer = BatchTextualizer(TOKENIZER, CATALOG, TextConfig())
    data = DataConfig(targets_per_user=targets_per_user, target_stride=target_stride)
    return ExampleTableBuilder(textualizer, WindowConfig(max_history=max_history), data, 0, max_eval_rank)


def user_of(items: list[int]) -> pa.Table:
    events = {
        "items": items,
        "timestamps": [float(time) for time in range(len(items))],
        "ratings": [None] * len(items),
        "actions": [None] * len(items),
    }
    return pa.Table.from_pylist([{"user_id": "ann", **events}], schema=pa.schema(list(USER)))


def rows_of(
    built: ExampleTableBuilder, items: list[int], split: str, features: dict[str, str] | None = None
) -> list[dict]:
    examples = built.open(user_of(items), {"ann": features or {}})
    return [row for table in examples.iter_tables(split) for row in table.to_pylist()]  # type: ignore[arg-type]


def targets(built: ExampleTableBuilder, num_events: int, split: str) -> list[int]:
    return [row["target_index"] for row in rows_of(built, [item % 12 for item in range(num_events)], split)]


@pytest.mark.parametrize(
    ("num_events", "targets_per_user", "train"),
    [(3, 1, []), (4, 1, [1]), (6, 1, [3]), (6, 2, [2, 3]), (6, 9, [1, 2, 3]), (6, 0, [1, 2, 3])],
)
def test_training_targets_are_the_last_training_events_that_have_a_history(num_events, targets_per_user, train):
    assert targets(builder(targets_per_user), num_events, "train") == train
    assert targets(builder(targets_per_user), num_events, "valid") == [num_events - 2]
    assert targets(builder(targets_per_user), num_events, "test") == [num_events - 1]


@pytest.mark.parametrize(
    ("num_events", "targets_per_user", "target_stride", "train"),
    [(10, 0, 3, [1, 4, 7]), (9, 0, 3, [3, 6]), (10, 4, 3, [4, 7]), (10, 1, 3, [7]), (4, 0, 9, [1])],
)
def test_a_stride_leaves_out_targets_between_counted_from_the_last(num_events, targets_per_user, target_stride, train):
    built = builder(targets_per_user, target_stride=target_stride)
    assert targets(built, num_events, "train") == train
    assert targets(built, num_events, "test") == [num_events - 1]


def test_with_a_stride_of_the_history_the_rows_of_a_user_tell_of_every_training_event():
    rows = rows_of(builder(0, max_history=3, target_stride=3), list(range(12)), "train")
    told = {item for row in rows for item in row["entity_items"]}
    assert told == set(range(10)), "the last two events are held out"
    assert [len(row["entity_items"]) for row in rows] == [4, 4, 4]


def test_a_user_with_too_few_events_gives_no_example():
    assert [targets(builder(0), 2, split) for split in SPLIT_NAMES] == [[], [], []]


@settings(deadline=None)
@given(st.lists(st.integers(0, 11), min_size=3, max_size=20), st.integers(0, 4), st.integers(1, 30))
def test_an_example_knows_earlier_events_only_and_ends_with_its_target(items, targets_per_user, max_history):
    for split in SPLIT_NAMES:
        for row in rows_of(builder(targets_per_user, max_history), items, split):
            index = row["target_index"]
            *history, target = row["entity_items"]
            assert target == row["target_item"] == items[index]
            assert row["entity_ends"][-1] == len(row["token_ids"])
            assert len(history) == min(index, max_history)
            remaining = iter(items[:index])
            assert all(item in remaining for item in history), "the history is a subsequence of what came before"
            assert row["seen_items"] == ([] if split == "train" else items[:index])
            assert split != "train" or index < len(items) - 2


def test_a_whole_example():
    rows = rows_of(builder(), [3, 4, 5], "test", {"city": "Rome"})
    assert len(rows) == 1
    text = TOKENIZER.decode(rows[0]["token_ids"])
    assert text.startswith("User: city Rome.")
    assert text.endswith("History: thing 3. thing 4. thing 5")
    assert rows[0] | {"token_ids": [], "entity_starts": [], "entity_ends": [], "sentence_ends": []} == {
        "user_id": "ann",
        "target_index": 2,
        "token_ids": [],
        "entity_starts": [],
        "entity_ends": [],
        "entity_items": [-1, 3, 4, 5],
        "sentence_ends": [],
        "target_item": 5,
        "seen_items": [3, 4],
    }


def test_only_drawn_users_validate_while_all_train_and_test():
    below = builder(max_eval_rank=rank_of(0, "ann") - 1)
    assert [targets(below, 5, split) for split in SPLIT_NAMES] == [[2], [], [4]]
    assert targets(builder(max_eval_rank=rank_of(0, "ann")), 5, "valid") == [3]


def test_a_temporal_split_asks_for_the_first_event_of_each_period_and_trains_on_what_lies_before():
    cut = DatasetSplit(kind="temporal", valid_from=3.0, test_from=5.0)
    textualizer = BatchTextualizer(TOKENIZER, CATALOG, TextConfig())
    built = ExampleTableBuilder(textualizer, WindowConfig(), DataConfig(targets_per_user=0), 0, dataset_split=cut)

    assert [targets(built, 8, split) for split in SPLIT_NAMES] == [[1, 2], [3], [5]]
    assert [targets(built, 4, split) for split in SPLIT_NAMES] == [[1, 2], [3], []]
    (test,) = rows_of(built, [1, 2, 3, 4, 5, 6, 7], "test")
    assert (test["seen_items"], test["target_item"]) == ([1, 2, 3, 4, 5], 6)
