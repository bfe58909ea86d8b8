"""A complete dataset artifact of a few users, made without the data stage."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from recsys_model.entities.catalog import Catalog, build_catalog
from recsys_model.text.textualize import Behaviour, Textualizer
from recsys_model.text.tokenizer import train_tokenizer
from recsys_platform.artifacts import write_artifact
from recsys_platform.config.run import RunConfig, build_config, config_to_dict

INTS = pa.list_(pa.int32())
EXAMPLE_SCHEMA = pa.schema(
    [
        ("user_id", pa.string()),
        ("target_index", pa.int32()),
        ("token_ids", INTS),
        ("entity_starts", INTS),
        ("entity_ends", INTS),
        ("entity_items", INTS),
        ("sentence_ends", INTS),
        ("target_item", pa.int32()),
        ("seen_items", INTS),
    ]
)
TITLES = [
    f"{colour} {thing}" for colour in ("Red", "Blue", "Green") for thing in ("Tent", "Tent Pole", "Stove", "Lamp")
]
SEQUENCES = {f"user-{number:02d}": [(number + 3 * step) % 12 for step in range(4 + number % 3)] for number in range(24)}
"""Every user walks through the twelve items in steps of three, 4 to 6 events long."""


def tiny_config(storage: Path, **sections: Any) -> RunConfig:
    """Return a run on the tiny dataset with a model of one layer; `sections` replace whole settings sections."""
    tables = {
        "interactions": {"path": str(storage / "interactions.csv")},
        "items": {"path": str(storage / "items.csv")},
    }
    document = {
        "name": "tiny",
        "storage": str(storage),
        "input": tables,
        "tokenizer": {"vocab_size": 320},
        "text": {"max_tokens": 96},
        "lora": {"enabled": False},
        "model": {"num_layers": 1, "hidden_size": 16, "num_heads": 2, "max_sequence_length": 96},
        "decoding": {"num_beams": 10},
    }
    return build_config(document | sections)


def write_tiny_dataset(config: RunConfig) -> Catalog:
    """Write the dataset artifact of a `tiny_config` and return its catalogue."""
    tokenizer = train_tokenizer([*TITLES, "User: city Berlin. History:"], config.tokenizer.vocab_size)
    catalog = build_catalog([f"item-{index:02d}" for index in range(len(TITLES))], TITLES, TITLES, [], tokenizer)
    textualizer = Textualizer(tokenizer, catalog, config.text)
    with write_artifact(config.dataset_folder, "dataset", config_to_dict(config)) as (folder, counts):
        tokenizer.write(folder / "tokenizer")
        catalog.write(folder)
        (folder / "settings.json").write_text(json.dumps({"user_features": []}), encoding="utf-8")
        for split, from_end in (("train", 3), ("valid", 2), ("test", 1)):
            rows = [_example(textualizer, user, from_end, split) for user in SEQUENCES]
            _write(folder / "examples" / split, pa.Table.from_pylist(rows, schema=EXAMPLE_SCHEMA))
        _write(folder / "interactions", _interactions())
        counts["ties"] = {"statements": ["No two adjacent events of a user have the same time."], "finding": None}
        counts["examples"] = dict.fromkeys(("train", "valid", "test"), len(SEQUENCES))
    return catalog


def _example(textualizer: Textualizer, user_id: str, from_end: int, split: str) -> dict[str, Any]:
    items = SEQUENCES[user_id]
    index = len(items) - from_end
    history = [Behaviour(item=item, timestamp=float(place)) for place, item in enumerate(items[:index])]
    text = textualizer.build({}, history, items[index])
    return {
        "user_id": user_id,
        "target_index": index,
        "token_ids": text.token_ids,
        "entity_starts": text.entity_starts,
        "entity_ends": text.entity_ends,
        "entity_items": text.entity_items,
        "sentence_ends": text.sentence_ends,
        "target_item": items[index],
        "seen_items": [] if split == "train" else items[:index],
    }


def _interactions() -> pa.Table:
    rows = [
        {"user_id": user, "items": items, "timestamps": [float(place) for place in range(len(items))]}
        for user, items in SEQUENCES.items()
    ]
    columns = [("user_id", pa.string()), ("items", INTS), ("timestamps", pa.list_(pa.float64()))]
    return pa.Table.from_pylist(rows, schema=pa.schema(columns))


def _write(folder: Path, table: pa.Table) -> None:
    folder.mkdir(parents=True)
    pq.write_table(table, folder / "part-0.parquet")
