import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recsys_model.errors import CheckpointError
from recsys_model.text.textualize import TokenizedText
from recsys_platform.evaluate.ranking.cases import Case, draw_users, load_evaluation_data

SEQUENCES = {"ann": [0, 1, 2], "bob": [3, 1, 4, 0], "cyd": [2, 2, 1]}


def write_rows(folder: Path, rows: list[dict], num_files: int) -> None:
    folder.mkdir(parents=True)
    for number in range(num_files):
        part = rows[number::num_files]
        if part:
            pq.write_table(pa.Table.from_pylist(part), folder / f"part-{number}.parquet")


def example_row(user_id: str, index: int) -> dict:
    """Tell the history and the target as one token an item, items as entities, one plain token at the front."""
    told = SEQUENCES[user_id][: index + 1]
    places = list(range(1, len(told) + 1))
    return {
        "user_id": user_id,
        "target_index": index,
        "token_ids": [99, *(100 + item for item in told)],
        "entity_starts": places,
        "entity_ends": [place + 1 for place in places],
        "entity_items": told,
        "sentence_ends": [place + 1 for place in places],
        "target_item": told[-1],
        "seen_items": told[:-1],
    }


def write_dataset(folder: Path, num_files: int = 1, held_out: int = 1, split: str = "test") -> Path:
    examples = [example_row(user, len(items) - held_out) for user, items in SEQUENCES.items()]
    write_rows(folder / "examples" / split, examples, num_files)
    interactions = [
        {"user_id": user, "items": items, "timestamps": [10.0 * place for place in range(len(items))]}
        for user, items in SEQUENCES.items()
    ]
    write_rows(folder / "interactions", interactions, num_files)
    write_manifest(folder, {})
    return folder


def write_manifest(folder: Path, counts: dict) -> None:
    manifest = {"kind": "dataset", "created": "", "config": {}, "versions": {}, "parents": {}, "files": {}}
    (folder / "manifest.json").write_text(json.dumps({**manifest, "counts": counts}), encoding="utf-8")


def bobs_case(index: int, target: int) -> Case:
    history = SEQUENCES["bob"][:index]
    places = list(range(1, index + 1))
    ends = [place + 1 for place in places]
    text = TokenizedText([99, *(100 + item for item in history)], places, ends, history, ends)
    return Case(
        user_id="bob",
        text=text,
        history=tuple(history),
        target_item=target,
        seen_items=frozenset(history),
        own_items=frozenset({3, 1, 4, 0}),
        training_place=1,
    )


def test_a_case_tells_everything_before_the_last_event_and_nothing_of_it(tmp_path):
    data = load_evaluation_data(write_dataset(tmp_path), "test", num_users=0, seed=0)

    assert [case.user_id for case in data.cases] == ["ann", "bob", "cyd"]
    assert data.cases[1] == bobs_case(index=3, target=0)
    assert [sequence.tolist() for sequence in data.training_sequences] == [[0], [3, 1], [2]]
    assert data.num_users_in_split == 3
    assert data.validation_items == [1, 4, 2]
    assert data.num_events == 10


def test_the_validation_split_holds_back_the_test_event_too(tmp_path):
    data = load_evaluation_data(write_dataset(tmp_path, held_out=2, split="valid"), "valid", num_users=0, seed=0)

    assert data.cases[1] == bobs_case(index=2, target=4)
    assert [sequence.tolist() for sequence in data.training_sequences] == [[0], [3, 1], [2]]


@pytest.mark.parametrize("num_users", [0, 2])
def test_the_cases_do_not_depend_on_the_number_of_files(tmp_path, num_users):
    one = load_evaluation_data(write_dataset(tmp_path / "one"), "test", num_users, seed=3)
    three = load_evaluation_data(write_dataset(tmp_path / "three", num_files=3), "test", num_users, seed=3)

    assert one.cases == three.cases
    assert len(one.cases) == (num_users or 3)
    assert all(np.array_equal(*pair) for pair in zip(one.training_sequences, three.training_sequences, strict=True))
    assert len(three.training_sequences) == 3


def test_drawn_users_follow_the_seed_and_keep_their_order():
    users = [f"u{number:02d}" for number in range(30)]

    drawn = draw_users(users, 5, seed=1)

    assert drawn == draw_users(users, 5, seed=1) == sorted(set(drawn))
    assert len(drawn) == 5
    assert drawn != draw_users(users, 5, seed=2)


def test_examples_that_contradict_the_interactions_are_refused(tmp_path):
    folder = write_dataset(tmp_path, held_out=2, split="test")

    with pytest.raises(CheckpointError, match=r"user 'ann' \(event 1, item 1\) must be event 2 of that user's 3"):
        load_evaluation_data(folder, "test", num_users=0, seed=0)


def test_an_empty_split_is_refused(tmp_path):
    with pytest.raises(CheckpointError, match="no examples in its valid split"):
        load_evaluation_data(write_dataset(tmp_path), "valid", num_users=0, seed=0)


def test_a_temporal_split_asks_for_the_first_event_of_the_period_and_trains_on_what_lies_before(tmp_path):
    folder = write_dataset(tmp_path)
    write_manifest(folder, {"split": {"kind": "temporal", "valid_from": 10.0, "test_from": 20.0}})
    rows = [example_row(user, 2) for user in SEQUENCES]
    (folder / "examples" / "test" / "part-0.parquet").unlink()
    pq.write_table(pa.Table.from_pylist(rows), folder / "examples" / "test" / "part-0.parquet")

    data = load_evaluation_data(folder, "test", num_users=0, seed=0)

    assert [case.history for case in data.cases] == [(0, 1), (3, 1), (2, 2)]
    assert [items.tolist() for items in data.training_sequences] == [[0], [3], [2]]
    assert data.validation_items == [1, 1, 2]
    assert data.split.kind == "temporal"


def test_a_case_knows_whether_its_target_has_a_time_of_its_own(tmp_path):
    folder = write_dataset(tmp_path)
    times = {"ann": [1.0, 2.0, 2.0], "bob": [1.0, 1.0, 1.0, 2.0], "cyd": [3.0, 1.0, 3.0]}
    rows = [{"user_id": user, "items": items, "timestamps": times[user]} for user, items in SEQUENCES.items()]
    pq.write_table(pa.Table.from_pylist(rows), folder / "interactions" / "part-0.parquet")

    cases = load_evaluation_data(folder, "test", num_users=0, seed=0).cases

    assert {case.user_id: case.has_own_time for case in cases} == {"ann": False, "bob": True, "cyd": False}


def test_what_the_data_stage_said_of_ties_goes_along(tmp_path):
    folder = write_dataset(tmp_path)
    assert load_evaluation_data(folder, "test", num_users=0, seed=0).tie_statements == ()

    write_manifest(folder, {"ties": {"statements": ["Two of three tie."], "finding": "They follow ids."}})

    data = load_evaluation_data(folder, "test", num_users=0, seed=0)
    assert data.tie_statements == ("Two of three tie.", "They follow ids.")
