"""Write a dense slice of Amazon Beauty: its most bought items, and the users with several of them.

The last event of a user in the slice is the test target, the one before is left out, all others are training events.
Items are selected by all events except each user's last two, so test events have no influence.

`python -m tests.benchmarks.beauty_slice OUT --data FOLDER` writes such a slice as tables for the data stage.
"""

import argparse
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from recsys_model.entities.catalog import Catalog, build_catalog, make_unique_texts
from recsys_model.text.tokenizer import Tokenizer

MIN_EVENTS = 5
NUM_HELD_OUT = 2


@dataclass(frozen=True, kw_only=True, slots=True)
class BeautySlice:
    """Catalogue and sequences, as catalogue indices."""

    catalog: Catalog
    """The items."""
    sequences: list[list[int]]
    """All events of each user in order, held-out ones included."""
    test_users: list[int]
    """Indices into `sequences`."""

    @property
    def training_sequences(self) -> list[list[int]]:
        """What may be learned from."""
        return [sequence[:-NUM_HELD_OUT] for sequence in self.sequences]

    def training_targets(self) -> list[tuple[int, int]]:
        """Return every (user, place) of a training event that has one before it."""
        return [
            (user, place) for user, sequence in enumerate(self.training_sequences) for place in range(1, len(sequence))
        ]


def load_slice(
    folder: Path, tokenizer: Tokenizer, *, num_items: int, max_title_tokens: int, num_users: int, seed: int
) -> BeautySlice:
    """Read the tables in `folder` and cut the slice out; `num_users` test users are drawn with `seed`."""
    sequences = _sequences(folder)
    rows = {row["item_id"]: row for row in pq.read_table(folder / "items.parquet").to_pylist()}
    count = Counter(item for sequence in sequences for item in sequence[:-NUM_HELD_OUT])
    chosen = _most_bought(count, lambda item: _num_tokens(rows[item], tokenizer) <= max_title_tokens, num_items)
    catalog = _catalog([rows[item] for item in chosen], tokenizer)
    index = catalog.item_id_to_index
    inside = ([index[item] for item in sequence if item in index] for sequence in sequences)
    sequences = [sequence for sequence in inside if len(sequence) >= MIN_EVENTS]
    drawn = np.random.default_rng(seed).permutation(len(sequences))[:num_users]
    return BeautySlice(catalog=catalog, sequences=sequences, test_users=sorted(drawn.tolist()))


def _sequences(folder: Path) -> list[list[str]]:
    """Return the item ids of each user, users by id, events by their published position."""
    columns = ["user_id", "item_id", "position"]
    user_to_events: dict[str, list[tuple[int, str]]] = defaultdict(list)
    for row in pq.read_table(folder / "interactions.parquet", columns=columns).to_pylist():
        user_to_events[row["user_id"]].append((row["position"], row["item_id"]))
    return [[item for _, item in sorted(user_to_events[user])] for user in sorted(user_to_events)]


def _most_bought(count: Counter[str], fits: Callable[[str], bool], num_items: int) -> list[str]:
    """Return the most bought items that fit; ties go by id."""
    by_count = sorted(count, key=lambda item: (-count[item], item))
    return [item for item in by_count if fits(item)][:num_items]


def _num_tokens(row: dict, tokenizer: Tokenizer) -> int:
    return len(tokenizer.encode_entity(row["title"] or row["item_id"]))


def _catalog(rows: Sequence[dict], tokenizer: Tokenizer) -> Catalog:
    titles = [row["title"] or "" for row in rows]
    item_ids = [row["item_id"] for row in rows]
    brands, categories = [row["brand"] for row in rows], [row["categories"] or [] for row in rows]
    texts, _ = make_unique_texts(titles, brands, categories, item_ids)
    return build_catalog(item_ids, titles, texts, [], tokenizer)


def write_tables(folder: Path, out: Path, num_items: int) -> tuple[int, int, int]:
    """Write `interactions.parquet` and `items.parquet` of the most bought items; return users, items and events."""
    sequences = _sequences(folder)
    count = Counter(item for sequence in sequences for item in sequence[:-NUM_HELD_OUT])
    chosen = pa.array(_most_bought(count, lambda _: True, num_items))
    events = pq.read_table(folder / "interactions.parquet")
    inside = events.filter(pc.is_in(events["item_id"], chosen))
    per_user = inside.group_by("user_id").aggregate([("item_id", "count")])
    users = per_user.filter(pc.greater_equal(per_user["item_id_count"], MIN_EVENTS))["user_id"]
    inside = inside.filter(pc.is_in(inside["user_id"], users))
    items = pq.read_table(folder / "items.parquet")
    out.mkdir(parents=True, exist_ok=True)
    pq.write_table(inside, out / "interactions.parquet")
    pq.write_table(items.filter(pc.is_in(items["item_id"], chosen)), out / "items.parquet")
    return len(users), num_items, inside.num_rows


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="folder of the new tables")
    parser.add_argument("--data", type=Path, required=True, help="folder with interactions.parquet and items.parquet")
    parser.add_argument("--items", type=int, default=1000, help="most bought items that stay (default %(default)s)")
    options = parser.parse_args()
    users, items, events = write_tables(options.data, options.out, options.items)
    print(f"{options.out}: {users:,} users, {items:,} items, {events:,} events")
