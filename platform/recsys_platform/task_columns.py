"""What the task families need of a dataset beside its texts: more columns of an example row, and a file of the items.

The columns of `FACT_FIELDS` stand in a row's Parquet file only where the data stage ran with `tasks.template_share`
above 0. They hold what is known of the target's event, so that a row can be asked any task in any words.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from recsys_model.config import TasksConfig, TextConfig, settings_from_dict
from recsys_model.entities.catalog import Catalog, load_catalog
from recsys_model.errors import CheckpointError
from recsys_model.text.task_facts import TaskFacts
from recsys_model.text.task_sampling import DrawKey, with_choices
from recsys_model.text.task_text import TaskText, TaskTextBuilder
from recsys_model.text.templates import Template, load_templates
from recsys_model.text.textualize import Behaviour
from recsys_model.text.tokenizer import load_tokenizer
from recsys_platform.artifacts import read_manifest
from recsys_platform.file_names import TOKENIZER_FOLDER

EVENT = pa.struct(
    [("item", pa.int32()), ("timestamp", pa.float64()), ("rating", pa.float64()), ("action", pa.string())]
)
"""One event of the sampled history."""
FEATURE = pa.struct([("name", pa.string()), ("value", pa.string())])
"""One feature of the user."""
FACT_FIELDS: tuple[pa.Field, ...] = (
    pa.field("history", pa.list_(EVENT)),
    pa.field("user_features", pa.list_(FEATURE)),
    pa.field("rating", pa.float64()),
    pa.field("review", pa.large_string()),
    pa.field("summary", pa.string()),
    pa.field("feature", pa.string()),
    pa.field("explanation", pa.string()),
    pa.field("own_items", pa.list_(pa.int32())),
)
"""Further columns of an example. `own_items` are those that no negative may be: of the user's training events alone
in a training row, so that no held-out item shows by never being one, else of all the user's events."""
FACT_COLUMNS: tuple[str, ...] = ("user_id", "target_index", "target_item", *(field.name for field in FACT_FIELDS))
"""What has to be read of a row to ask it a question."""
ITEMS_NAME = "items.parquet"
ITEMS_SCHEMA = pa.schema(
    [("categories", pa.list_(pa.string())), ("brand", pa.string()), ("category", pa.string()), ("price", pa.string())]
)
"""One row an item in catalogue order; `category` is the last of `categories`."""
ATTRIBUTES = ("brand", "category", "price")
"""What questions tell of an item, in this order."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ItemFacts:
    """What is known of the items, by catalogue index."""

    categories: list[tuple[str, ...]]
    """Categories, coarse to fine."""
    attributes: list[dict[str, str]]
    """Name -> value of the known ones of `ATTRIBUTES`."""


class TaskSource:
    """Asks the examples of one dataset: from a row to its facts, and on to a question with its answer."""

    def __init__(self, texts: TaskTextBuilder, items: ItemFacts, catalog: Catalog) -> None:
        self.texts = texts
        """Fills templates."""
        self.items = items
        """Categories and attributes."""
        self.catalog = catalog
        """Items and attribute values."""
        self.templates = load_templates(texts.language.code)
        """Templates in the language of the texts."""

    def facts(self, row: Mapping[str, Any]) -> TaskFacts:
        """Return the facts of a row, which has at least the columns `FACT_COLUMNS`."""
        return to_facts(row, self.items.categories)

    def ask(
        self, template: Template, facts: TaskFacts, own_items: Collection[int], tasks: TasksConfig, key: DrawKey
    ) -> TaskText:
        """Return the question and its answer; candidates, or the item of a yes/no question, are drawn by `key`.

        Raises:
            DataError: something that must be told is not known.
            UnaskableError: it does not fit, or the catalogue has too few items.
        """
        return self.texts.build(template, self.with_choices(template, facts, own_items, tasks, key))

    def with_choices(
        self, template: Template, facts: TaskFacts, own_items: Collection[int], tasks: TasksConfig, key: DrawKey
    ) -> TaskFacts:
        """Return the facts with what is drawn for the question of a template."""
        return with_choices(template.task, facts, own_items, len(self.catalog.items), tasks, key)


def load_task_source(folder: Path) -> TaskSource:
    """Open a dataset folder for questions, in the words that its texts were made with.

    Raises:
        CheckpointError: the dataset was made without tasks, or is no dataset.
    """
    text = load_text_config(folder)
    catalog = load_catalog(folder)
    items = load_item_facts(folder)
    builder = TaskTextBuilder(load_tokenizer(folder / TOKENIZER_FOLDER), catalog, text, items.attributes)
    return TaskSource(builder, items, catalog)


def load_text_config(folder: Path) -> TextConfig:
    """Return how the texts of a dataset folder were made.

    Raises:
        CheckpointError: the folder holds no dataset.
    """
    return settings_from_dict(TextConfig, read_manifest(folder, "dataset").config["text"], "text")


def to_columns(facts: TaskFacts, own_items: Collection[int]) -> dict[str, Any]:
    """Return the values of `FACT_FIELDS` for an event and the items that its negatives must avoid."""
    return {
        "history": [
            {"item": event.item, "timestamp": event.timestamp, "rating": event.rating, "action": event.action}
            for event in facts.history
        ],
        "user_features": [{"name": name, "value": value} for name, value in facts.features.items()],
        "rating": facts.rating,
        "review": facts.review,
        "summary": facts.summary,
        "feature": facts.feature,
        "explanation": facts.explanation,
        "own_items": sorted(set(own_items)),
    }


def to_facts(row: Mapping[str, Any], item_categories: Sequence[tuple[str, ...]]) -> TaskFacts:
    """Return the facts of a row: what `to_columns` was given, the categories of its history from the catalogue."""
    return TaskFacts(
        target=row["target_item"],
        features={feature["name"]: feature["value"] for feature in row["user_features"]},
        history=tuple(Behaviour(**event, categories=item_categories[event["item"]]) for event in row["history"]),
        rating=row["rating"],
        review=row["review"],
        summary=row["summary"],
        feature=row["feature"],
        explanation=row["explanation"],
    )


def write_item_facts(
    folder: Path,
    categories: Sequence[tuple[str, ...]],
    brands: Sequence[str | None],
    prices: Sequence[str | None],
) -> None:
    """Write what is known of each item, in catalogue order."""
    rows = [
        {"categories": list(names), "brand": brand, "category": names[-1] if names else None, "price": price}
        for names, brand, price in zip(categories, brands, prices, strict=True)
    ]
    pq.write_table(pa.Table.from_pylist(rows, schema=ITEMS_SCHEMA), folder / ITEMS_NAME, compression="zstd")


def load_item_facts(folder: Path) -> ItemFacts:
    """Read what `write_item_facts` wrote.

    Raises:
        CheckpointError: the file is missing, since the dataset was made without tasks.
    """
    path = folder / ITEMS_NAME
    if not path.is_file():
        raise CheckpointError(
            f"{path} is missing, the dataset was made without tasks; run the data stage again with "
            "tasks.template_share above 0"
        )
    rows = pq.read_table(path).to_pylist()
    return ItemFacts(
        categories=[tuple(row["categories"]) for row in rows],
        attributes=[{name: row[name] for name in ATTRIBUTES if row[name] is not None} for row in rows],
    )
