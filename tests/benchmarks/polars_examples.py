"""Build the examples of the data stage without Ray: polars and `tokenizers` in one process.

This file shares only the file format with the data stage and implements the rules of splits, time windows and texts
again. It takes clean tables only: no rejects, no leak checks, no user features.
"""

import hashlib
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import tokenizers

LISTS = ("token_ids", "entity_starts", "entity_ends", "entity_items", "sentence_ends", "seen_items")
ROWS_PER_GROUP = 1000
DAY_S = 86400.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Rules:
    """How an example is made: one training target a user, windows of 7 and 90 days with 10, 30 and 60 %."""

    titles: Sequence[list[int]]
    """Tokens of each item."""
    opening: list[int]
    """Tokens in front of a history."""
    full_stop: list[int]
    """Tokens behind each event."""
    max_history: int
    """Events of a history, a multiple of ten."""
    max_tokens: int
    """Longest text."""
    seed: int
    """Of everything drawn."""


def build_rules(
    tokenizer_file: Path, item_texts: Sequence[str], *, max_history: int, max_tokens: int, seed: int
) -> Rules:
    """Tokenise all that the texts consist of."""
    backend = tokenizers.Tokenizer.from_file(str(tokenizer_file))
    return Rules(
        titles=[encoding.ids for encoding in backend.encode_batch([f" {text}" for text in item_texts])],
        opening=backend.encode("History:").ids,
        full_stop=backend.encode(".").ids,
        max_history=max_history,
        max_tokens=max_tokens,
        seed=seed,
    )


def write_examples(
    interactions: Path, item_ids: Sequence[str], rules: Rules, folder: Path, *, num_buckets: int, max_eval_users: int
) -> int:
    """Write `examples/<split>/part-*.parquet` into `folder` and return how many examples there are."""
    users = _read_users(interactions, item_ids, num_buckets)
    targets = _choose_targets(users, max_eval_users, rules.seed)
    for key, part in targets.partition_by("bucket", as_dict=True).items():
        for split in ("train", "valid", "test"):
            rows = (
                part.filter(pl.col("split") == split).sort("user_id").select("user_id", "item", "timestamp", "target")
            )
            path = folder / "examples" / split / f"part-{key[0]:05d}.parquet"
            _write(path, tell_examples(rows.iter_rows(), rules, split))
    return targets.height


def _read_users(interactions: Path, item_ids: Sequence[str], num_buckets: int) -> pl.DataFrame:
    """Return one row a user: events in order, exact duplicates left out, and the bucket."""
    catalogue = pl.DataFrame({"item_id": list(item_ids), "item": np.arange(len(item_ids), dtype=np.int32)})
    events = (
        pl.scan_parquet(interactions)
        .select("user_id", "item_id", "position", "rating", pl.col("timestamp").cast(pl.Float64))
        .with_row_index("row")
        .join(catalogue.lazy(), on="item_id")
        .sort("user_id", "position", "timestamp", "row")
        .unique(["user_id", "item", "timestamp", "position", "rating"], keep="first", maintain_order=True)
        .group_by("user_id", maintain_order=True)
        .agg("item", "timestamp")
        .collect()
    )
    buckets = [_hash(user) % num_buckets for user in events["user_id"]]
    return events.with_columns(pl.Series("bucket", buckets, dtype=pl.Int32))


def _choose_targets(users: pl.DataFrame, max_eval_users: int, seed: int) -> pl.DataFrame:
    """Return one row per example: the last event is the test target, the two before are those of validation and training."""
    long_enough = users.filter(pl.col("item").list.len() >= 3)
    ranks = np.array([_hash(f"{seed}\x1f{user}") for user in long_enough["user_id"]], dtype=np.uint64)
    if 0 < max_eval_users < len(ranks):
        is_drawn = ranks <= np.partition(ranks, max_eval_users - 1)[max_eval_users - 1]
    else:
        is_drawn = np.ones(len(ranks), dtype=bool)
    length = pl.col("item").list.len().cast(pl.Int32)
    parts = [
        long_enough.with_columns(target=length - back, split=pl.lit(split)).filter(keep)
        for split, back, keep in (
            ("train", 3, length >= 4),
            ("valid", 2, pl.Series(is_drawn)),
            ("test", 1, pl.lit(value=True)),
        )
    ]
    return pl.concat(parts)


def tell_examples(rows: Iterable[tuple[str, list[int], list[float], int]], rules: Rules, split: str) -> pa.Table:
    """Return the examples of users, given as id, items, times and the index of the target."""
    titles, opening, full_stop = rules.titles, rules.opening, rules.full_stop
    columns: dict[str, list] = {name: [] for name in ("user_id", "target_index", "target_item", *LISTS)}
    for user, items, times, target in rows:
        chosen = _sample(times, target, rules.max_history, (rules.seed, user, target))
        kept, room = [], rules.max_tokens - 2 - len(opening) - len(titles[items[target]])
        for event in reversed(chosen):
            room -= len(titles[items[event]]) + len(full_stop)
            if room < 0:
                break
            kept.append(items[event])
        tokens, starts, ends, sentences = list(opening), [], [], []
        for item in reversed(kept):
            starts.append(len(tokens))
            tokens += titles[item]
            ends.append(len(tokens))
            tokens += full_stop
            sentences.append(len(tokens))
        starts.append(len(tokens))
        tokens += titles[items[target]]
        values = (
            user,
            target,
            items[target],
            tokens,
            starts,
            [*ends, len(tokens)],
            [*reversed(kept), items[target]],
            [*sentences, len(tokens)],
            [] if split == "train" else items[:target],
        )
        for column, value in zip(columns.values(), values, strict=True):
            column.append(value)
    kinds = dict.fromkeys(LISTS, pa.list_(pa.int32())) | {"user_id": pa.string()}
    arrays = {name: pa.array(values, kinds.get(name, pa.int32())) for name, values in columns.items()}
    return pa.table(arrays).select(["user_id", "target_index", *LISTS[:5], "target_item", "seen_items"])


def _sample(times: Sequence[float], target: int, budget: int, key: tuple[int, str, int]) -> list[int]:
    """Return at most `budget` events before the target: 10 % long-term, 30 % medium-term, the rest the latest."""
    if target <= budget:
        return list(range(target))
    ages = [(times[target] - time) / DAY_S for time in times[:target]]
    windows = [
        [event for event, age in enumerate(ages) if low < age <= high]
        for low, high in ((90.0, np.inf), (7.0, 90.0), (-np.inf, 7.0))
    ]
    wanted = [budget // 10, 3 * budget // 10, budget - budget // 10 - 3 * budget // 10]
    taken, spare = [0, 0, 0], 0
    for window in range(3):
        taken[window] = min(wanted[window] + spare, len(windows[window]))
        spare += wanted[window] - taken[window]
    for window in (1, 0):
        more = min(spare, len(windows[window]) - taken[window])
        taken[window] += more
        spare -= more
    draw = random.Random(_hash("\x1f".join(map(str, key)))).random
    chosen = windows[2][len(windows[2]) - taken[2] :]
    for window in (0, 1):
        ranked = sorted((draw(), event) for event in windows[window])
        chosen += [event for _, event in ranked[: taken[window]]]
    return sorted(chosen)


def _write(path: Path, table: pa.Table) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with pq.ParquetWriter(path, table.schema, compression="zstd") as writer:
        for start in range(0, table.num_rows, ROWS_PER_GROUP):
            writer.write_table(table.slice(start, ROWS_PER_GROUP))


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")
