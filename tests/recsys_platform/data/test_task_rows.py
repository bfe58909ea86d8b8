"""What a row knows of its event, and what training may not know of held-out events."""

import pyarrow as pa
import pytest

from recsys_model.config import TasksConfig
from recsys_model.errors import DataError
from recsys_model.text.explanations import FeatureWords
from recsys_model.text.textualize import Behaviour
from recsys_platform.data.input.files import TableFiles
from recsys_platform.data.input.table import Table
from recsys_platform.data.reviews import _survey_bucket
from recsys_platform.data.task_needs import check_columns, check_ratings, keeps_reviews
from recsys_platform.data.task_rows import FactWriter
from recsys_platform.data.user_sequences import UserSequence
from recsys_platform.splits import DatasetSplit

USER = UserSequence(
    "ann",
    tuple(Behaviour(item=item, timestamp=float(time), rating=4.0) for time, item in enumerate([3, 1, 3, 7, 8])),
    ("", "I like the sound of it very much.", "", "", "Bad."),
    ("", "Sound", "", "", "Meh"),
)
WORDS = FeatureWords(["The sound is good. The sound!"] * 5)
ALL = TasksConfig(template_share=1.0, rating_weight=1.0, explanation_weight=1.0, review_weight=1.0, direct_weight=1.0)


def facts_of(target_index: int, split: str, tasks: TasksConfig = ALL) -> tuple[dict, FactWriter]:
    writer = FactWriter(tasks, WORDS, DatasetSplit())
    history = USER.behaviours[:target_index]
    return writer.columns(USER, {"city": "Rome"}, history, target_index, split), writer


def test_negatives_in_training_may_be_held_out_items_of_the_user_and_in_evaluation_never():
    assert facts_of(1, "train")[0]["own_items"] == [1, 3]
    assert facts_of(3, "valid")[0]["own_items"] == [1, 3, 7, 8]
    assert facts_of(4, "test")[0]["own_items"] == [1, 3, 7, 8]


def test_a_row_knows_what_the_user_wrote_of_its_target_alone():
    columns, writer = facts_of(1, "train")

    assert columns == {
        "history": [{"item": 3, "timestamp": 0.0, "rating": 4.0, "action": None}],
        "user_features": [{"name": "city", "value": "Rome"}],
        "rating": 4.0,
        "review": "I like the sound of it very much.",
        "summary": "Sound",
        "feature": "sound",
        "explanation": "I like the sound of it very much.",
        "own_items": [1, 3],
    }
    assert {task for _, task in writer.counts} == {
        "rating",
        "sequential",
        "explanation",
        "explanation_hint",
        "review_summary",
        "review_rating",
        "direct_yes_no",
        "direct_choose",
    }


def test_an_event_without_a_review_is_counted_for_other_tasks_only():
    _, writer = facts_of(2, "train")

    assert {task for _, task in writer.counts} == {"rating", "sequential", "direct_yes_no", "direct_choose"}


def test_ratings_of_any_scale_pass_where_no_trained_family_asks_for_them():
    user = UserSequence("bob", (Behaviour(item=0, timestamp=0.0), Behaviour(item=1, timestamp=1.0, rating=80.0)))
    writer = FactWriter(TasksConfig(template_share=1.0), WORDS, DatasetSplit())

    assert writer.columns(user, {}, user.behaviours[:1], 1, "test")["rating"] == 80.0
    assert dict(writer.counts) == {("test", "sequential"): 1}


def test_words_and_texts_for_the_tokenizer_come_from_training_reviews_alone():
    users = pa.Table.from_pylist(
        [
            {
                "user_id": "ann",
                "timestamps": [0.0, 1.0, 2.0],
                "ratings": [5.0, None, 2.0],
                "reviews": ["The sound hums.", "The colour shines.", "The cable broke."],
                "summaries": ["one", "two", "three"],
            }
        ]
    )

    found = _survey_bucket(users, seed=0, dataset_split=DatasetSplit(), language="en")

    assert {entry["word"] for entry in found["votes"]} == {"hums"}
    assert not {"colour", "cable", "shines", "broke"} & {entry["word"] for entry in found["occurrences"]}
    assert [sample["text"] for sample in found["samples"]] == ["one The sound hums."]
    assert found["num_reviews"] == 1
    # held-out ratings are asked for too, so their range counts
    assert (found["lowest_rating"], found["highest_rating"]) == (2.0, 5.0)


def table_with(*columns: str) -> Table:
    names = ("user_id", "item_id", "timestamp", *columns)
    files = TableFiles(table="interactions", path="shop/clicks.csv", format="csv", paths=())
    return Table(files=files, columns={name: name for name in names}, chunks=())


@pytest.mark.parametrize(
    ("family", "columns", "lacking"),
    [
        ("rating", ("review_text",), "rating"),
        ("explanation", ("rating", "summary"), "review_text"),
        ("review", ("rating", "summary"), "review_text"),
        ("review", ("review_text",), "rating or summary"),
    ],
)
def test_a_family_without_its_column_is_refused_by_name(family, columns, lacking):
    tasks = TasksConfig(template_share=0.5, **{f"{family}_weight": 1.0})

    with pytest.raises(DataError, match=rf"tasks\.{family}_weight is 1, but .*clicks\.csv has no column {lacking};"):
        check_columns(tasks, table_with(*columns))


def test_columns_are_needed_only_by_families_that_are_trained():
    check_columns(TasksConfig(rating_weight=1.0), table_with())
    check_columns(TasksConfig(template_share=1.0, review_weight=1.0), table_with("review_text", "summary"))
    assert keeps_reviews(ALL, table_with("rating", "review_text"))
    assert not keeps_reviews(TasksConfig(template_share=1.0), table_with("rating", "review_text"))


def test_ratings_out_of_range_stop_only_what_asks_for_them():
    with pytest.raises(
        DataError, match=r"ratings must be from 1 to 5 .*got 0 to 5; rescale them, or set tasks.rating_w"
    ):
        check_ratings(TasksConfig(template_share=1.0, rating_weight=1.0), 0.0, 5.0)
    check_ratings(TasksConfig(template_share=1.0, explanation_weight=1.0), 0.0, 100.0)
    check_ratings(TasksConfig(template_share=1.0, rating_weight=1.0), 1.0, 5.0)
