"""Build the examples of the data stage with `ray.data` `groupby().map_groups()`, a function of one user."""

import functools
from pathlib import Path

import pyarrow as pa

from recsys_model.entities.catalog import load_catalog
from recsys_platform.config.run import RunConfig
from tests.benchmarks.polars_examples import Rules, build_rules, tell_examples

SPLITS = (("train", 3, 4), ("valid", 2, 3), ("test", 1, 3))
"""Split, place of its target from the end, and the events a user must have."""


def tell_user(group: pa.Table, config: RunConfig) -> pa.Table:
    """Return the examples of the user whose events these are."""
    indices, rules = load_rules(config)
    ordered = group.sort_by([("position", "ascending"), ("timestamp", "ascending")])
    items = [indices[item_id] for item_id in ordered["item_id"].to_pylist()]
    times = [float(time) for time in ordered["timestamp"].to_pylist()]
    user = ordered["user_id"][0].as_py()
    tables = [
        tell_examples([(user, items, times, len(items) - back)] if len(items) >= least else [], rules, split)
        for split, back, least in SPLITS
    ]
    return pa.concat_tables(tables)


def load_rules(config: RunConfig) -> tuple[dict[str, int], Rules]:
    """Return the index of each item, and the tokens that the first run of the stage has left in `vocabulary`."""
    return _load_once(config.storage, config.window.max_history, config.text.max_tokens, config.seed)


@functools.cache
def _load_once(storage: str, max_history: int, max_tokens: int, seed: int) -> tuple[dict[str, int], Rules]:
    """Once a process, which runs many tasks."""
    folder = Path(storage) / "vocabulary"
    items = load_catalog(folder).items
    rules = build_rules(
        folder / "tokenizer" / "tokenizer.json",
        [item.text for item in items],
        max_history=max_history,
        max_tokens=max_tokens,
        seed=seed,
    )
    return {item.item_id: index for index, item in enumerate(items)}, rules
