"""A complete dataset artifact whose rows can be asked every task, made without Ray by the row code of the data stage."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from recsys_model.entities.catalog import Catalog, build_catalog
from recsys_model.text.batch_texts import BatchTextualizer
from recsys_model.text.explanations import FeatureWords
from recsys_model.text.tasks import TASKS
from recsys_model.text.tokenizer import train_tokenizer
from recsys_platform.artifacts import write_artifact
from recsys_platform.config.run import RunConfig, config_to_dict
from recsys_platform.data.examples import ExampleTableBuilder
from recsys_platform.data.sequences import REVIEWED_USER
from recsys_platform.data.task_rows import FactWriter
from recsys_platform.splits import SPLIT_NAMES, DatasetSplit
from recsys_platform.task_columns import write_item_facts
from tests.recsys_platform.tiny_dataset import SEQUENCES, TITLES, tiny_config

REVIEWS = [f"I took the {title} and the colour is fine. Nothing else to say here." for title in TITLES]
SUMMARIES = [f"Fine {title.split()[0].lower()}" for title in TITLES]
FAMILIES = ("rating", "sequential", "explanation", "review", "direct", "next_item", "candidate")
TASK_SETTINGS: dict[str, Any] = {
    "template_share": 0.8,
    "num_candidates": 4,
    **{f"{family}_weight": 1.0 for family in FAMILIES},
}


def tiny_task_config(storage: Path, **sections: Any) -> RunConfig:
    """Return a run that asks all families; `sections` replace whole settings sections."""
    sizes = {"num_layers": 1, "hidden_size": 16, "num_heads": 2, "max_sequence_length": 192}
    changes = {"tasks": TASK_SETTINGS, "text": {"max_tokens": 192}, "model": sizes, "objective": {"intra_mode": "run"}}
    return tiny_config(storage, **changes | sections)


def task_users() -> pa.Table:
    """Return the tiny users, with a rating of 1 to 5, a review and a summary for each event."""
    users = [
        {
            "user_id": user_id,
            "items": items,
            "timestamps": [float(place) for place in range(len(items))],
            "ratings": [1.0 + item % 5 for item in items],
            "actions": [None] * len(items),
            "reviews": [REVIEWS[item] for item in items],
            "summaries": [SUMMARIES[item] for item in items],
        }
        for user_id, items in SEQUENCES.items()
    ]
    return pa.Table.from_pylist(users, schema=pa.schema(list(REVIEWED_USER)))


def write_tiny_tasks(config: RunConfig) -> Catalog:
    """Write the dataset artifact of a `tiny_task_config` and return its catalogue."""
    tokenizer = train_tokenizer([*TITLES, *REVIEWS, *SUMMARIES, "User: city Berlin. History:"], 400)
    catalog = build_catalog([f"item-{index:02d}" for index in range(len(TITLES))], TITLES, TITLES, [], tokenizer)
    writer = FactWriter(config.tasks, FeatureWords(REVIEWS), DatasetSplit())
    textualizer = BatchTextualizer(tokenizer, catalog, config.text)
    builder = ExampleTableBuilder(textualizer, config.window, config.data, config.seed, facts=writer)
    with write_artifact(config.dataset_folder, "dataset", config_to_dict(config)) as (folder, counts):
        tokenizer.write(folder / "tokenizer")
        catalog.write(folder)
        (folder / "settings.json").write_text('{"user_features": ["city"]}', encoding="utf-8")
        write_item_facts(folder, [("All",)] * len(TITLES), ["Acme"] * len(TITLES), [None] * len(TITLES))
        for split in SPLIT_NAMES:
            tables = builder.open(task_users(), {key: {"city": "Rome"} for key in SEQUENCES}).iter_tables(split)
            (folder / "examples" / split).mkdir(parents=True)
            pq.write_table(pa.concat_tables(tables), folder / "examples" / split / "part-0.parquet")
        counts["tasks"] = {split: {name: writer.counts[split, name] for name in TASKS} for split in SPLIT_NAMES}
    return catalog
