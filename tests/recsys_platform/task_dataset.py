"""A complete dataset artifact whose events can be asked every task, made without the data stage."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import torch

from recsys_model.backbones.checkpoint import write_model
from recsys_model.backbones.glm import GLM
from recsys_model.entities.catalog import build_catalog
from recsys_model.text.task_facts import TaskFacts
from recsys_model.text.templates import load_templates
from recsys_model.text.textualize import Behaviour, Textualizer
from recsys_model.text.tokenizer import load_tokenizer, train_tokenizer
from recsys_platform.artifacts import open_artifact, write_artifact
from recsys_platform.config.run import RunConfig, config_to_dict
from recsys_platform.task_columns import FACT_FIELDS, to_columns, write_item_facts
from tests.recsys_platform.tiny_dataset import EXAMPLE_SCHEMA, INTS, SEQUENCES, TITLES, tiny_config

WORDS = ("pole", "flame", "light")
WEIGHTS: dict[str, float] = {
    f"{family}_weight": 1.0
    for family in ("rating", "sequential", "explanation", "review", "direct", "next_item", "candidate")
}
CATEGORIES = [("Outdoor", TITLES[index].split()[-1]) for index in range(len(TITLES))]


def rating_of_event(user: int, place: int) -> float:
    """Return 1 to 5."""
    return 1.0 + (2 * user + place) % 5


def task_config(storage: Path, **sections: Any) -> RunConfig:
    """Return a run with all tasks on and a model of one layer."""
    defaults: dict[str, Any] = {
        "tokenizer": {"vocab_size": 900},
        "text": {"max_tokens": 160},
        "model": {"num_layers": 1, "hidden_size": 16, "num_heads": 2, "max_sequence_length": 160},
        "objective": {"intra_mode": "run"},
        "tasks": {"template_share": 0.5, "num_candidates": 5, **WEIGHTS},
        "generation": {"max_tokens": 8},
        "evaluate": {"num_workers": 2, "batch_size": 5, "bootstrap_samples": 50},
    }
    return tiny_config(storage, **(defaults | sections))


def facts_of(user_id: str, index: int) -> TaskFacts:
    """Return what is known of one event; every third user writes no review, every second headline is missing."""
    items, user = SEQUENCES[user_id], int(user_id.removeprefix("user-"))
    facts = TaskFacts(
        target=items[index],
        features={"city": "Berlin"},
        history=tuple(Behaviour(item=item, timestamp=float(at)) for at, item in enumerate(items[:index])),
        rating=rating_of_event(user, index),
    )
    if user % 3 == 0:
        return facts
    word = WORDS[user % 3]
    sentence = f"The {word} is what I like."
    return dataclasses.replace(
        facts,
        review=f"I took it home. {sentence}",
        summary="" if user % 2 else f"Good {word}",
        feature=word,
        explanation=sentence,
    )


def write_task_dataset(config: RunConfig) -> None:
    """Write the dataset artifact of a `task_config`."""
    texts = [template.text for template in load_templates().templates]
    tokenizer = train_tokenizer([*TITLES, *texts, "The pole flame light is what I like."], config.tokenizer.vocab_size)
    catalog = build_catalog([f"item-{index:02d}" for index in range(len(TITLES))], TITLES, TITLES, [], tokenizer)
    textualizer = Textualizer(tokenizer, catalog, config.text)
    with write_artifact(config.dataset_folder, "dataset", config_to_dict(config)) as (folder, _):
        tokenizer.write(folder / "tokenizer")
        catalog.write(folder)
        write_item_facts(folder, CATEGORIES, ["Acme"] * len(TITLES), [None] * len(TITLES))
        (folder / "settings.json").write_text(json.dumps({"user_features": []}), encoding="utf-8")
        schema = pa.schema([*EXAMPLE_SCHEMA, *FACT_FIELDS])
        for split, from_end in (("train", 3), ("valid", 2), ("test", 1)):
            rows = [_row(textualizer, user, from_end, split) for user in SEQUENCES]
            _write(folder / "examples" / split, pa.Table.from_pylist(rows, schema=schema))
        columns = [("user_id", pa.string()), ("items", INTS), ("timestamps", pa.list_(pa.float64()))]
        sequences = [
            {"user_id": user, "items": items, "timestamps": [float(place) for place in range(len(items))]}
            for user, items in SEQUENCES.items()
        ]
        _write(folder / "interactions", pa.Table.from_pylist(sequences, schema=pa.schema(columns)))


def write_task_checkpoint(config: RunConfig) -> None:
    """Write a checkpoint with random weights, made from the run's dataset."""
    tokenizer = load_tokenizer(config.dataset_folder / "tokenizer")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = GLM(config.model.geometry(tokenizer.vocab_size))
        torch.nn.init.normal_(model.word_embeddings.weight, std=1.0)  # far apart, so that answers do not tie
    parents = {"dataset": open_artifact(config.dataset_folder, "dataset").digest}
    with write_artifact(config.checkpoint_folder, "checkpoint", config_to_dict(config), parents) as (folder, _):
        write_model(folder / "weights", model)


def _row(textualizer: Textualizer, user_id: str, from_end: int, split: str) -> dict[str, Any]:
    items = SEQUENCES[user_id]
    index = len(items) - from_end
    facts = facts_of(user_id, index)
    own_items = items[:-2] if split == "train" else items
    return {
        "user_id": user_id,
        "target_index": index,
        **dataclasses.asdict(textualizer.build(facts.features, facts.history, items[index])),
        "target_item": items[index],
        "seen_items": [] if split == "train" else items[:index],
        **to_columns(facts, own_items),
    }


def _write(folder: Path, table: pa.Table) -> None:
    folder.mkdir(parents=True)
    pq.write_table(table, folder / "part-0.parquet")
