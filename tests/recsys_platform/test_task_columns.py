"""Facts of an event go into columns and come back."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recsys_model.config import TasksConfig, TextConfig
from recsys_model.entities.catalog import build_catalog
from recsys_model.errors import CheckpointError
from recsys_model.text.task_facts import TaskFacts
from recsys_model.text.templates import load_templates
from recsys_model.text.textualize import Behaviour
from recsys_model.text.tokenizer import train_tokenizer
from recsys_platform.artifacts import write_artifact
from recsys_platform.task_columns import FACT_FIELDS, load_task_source, to_columns, to_facts, write_item_facts

TITLES = ["Red Tent", "Stove", "Lamp"]
CATEGORIES = [("Garden", "Tents"), (), ("Light",)]
FACTS = TaskFacts(
    target=1,
    features={"city": "Rome", "age": "30"},
    history=(
        Behaviour(item=0, timestamp=5.0, rating=4.0, action="buy", categories=("Garden", "Tents")),
        Behaviour(item=2, timestamp=9.5, categories=("Light",)),
    ),
    rating=3.0,
    review="It burns  well.\nVery hot.",
    summary="Hot",
    feature="flame",
    explanation="The flame is hot.",
)


def through_parquet(facts: TaskFacts, own_items: set[int], path) -> dict:
    row = {"user_id": "ann", "target_index": 2, "target_item": facts.target, **to_columns(facts, own_items)}
    keys = [("user_id", pa.string()), ("target_index", pa.int32()), ("target_item", pa.int32())]
    pq.write_table(pa.Table.from_pylist([row], schema=pa.schema([*keys, *FACT_FIELDS])), path)
    [read] = pq.read_table(path).to_pylist()
    return read


@pytest.mark.parametrize("facts", [FACTS, TaskFacts(target=0)])
def test_facts_come_back_from_a_row_as_they_were(tmp_path, facts):
    row = through_parquet(facts, {2, 0}, tmp_path / "rows.parquet")

    assert to_facts(row, CATEGORIES) == facts
    assert row["own_items"] == [0, 2]


def write_dataset(folder) -> None:
    tokenizer = train_tokenizer(TITLES, vocab_size=400)
    config = {"text": {"max_tokens": 128, "behaviour_fields": ["categories"]}}
    with write_artifact(folder, "dataset", config) as (partial, _):
        tokenizer.write(partial / "tokenizer")
        build_catalog(["a", "b", "c"], TITLES, TITLES, [], tokenizer).write(partial)
        write_item_facts(partial, CATEGORIES, ["Acme", None, None], ["9.5", None, None])


def test_a_dataset_is_asked_in_its_own_words_with_what_is_known_of_its_items(tmp_path):
    write_dataset(tmp_path / "dataset")
    source = load_task_source(tmp_path / "dataset")
    row = through_parquet(FACTS, {0, 1, 2}, tmp_path / "rows.parquet")

    assert source.facts(row) == FACTS
    assert source.items.attributes == [
        {"brand": "Acme", "category": "Tents", "price": "9.5"},
        {},
        {"category": "Light"},
    ]
    template = load_templates().of("rating", "seen")[0]
    task = source.ask(template, FACTS, {0, 1, 2}, TasksConfig(), (0, "ann", 2, 0))
    tokenizer = train_tokenizer(TITLES, vocab_size=400)
    text = tokenizer.decode(task.question.token_ids)
    # the dataset's text section tells categories of past behaviours
    assert "Red Tent, Tents" in text
    assert tokenizer.decode(task.text.token_ids[slice(*task.answer_span)]).strip() == "3"
    assert TextConfig().behaviour_fields == ()


def test_a_dataset_without_tasks_is_refused_with_the_way_out(tmp_path):
    write_dataset(tmp_path / "dataset")
    (tmp_path / "dataset" / "items.parquet").unlink()

    with pytest.raises(
        CheckpointError, match=r"made without tasks; run the data stage again with tasks\.template_share"
    ):
        load_task_source(tmp_path / "dataset")
