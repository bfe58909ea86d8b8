"""Yambda, Yandex's music: flat files with an event a row, or sequential ones with a user a row; Parquet.

Times are seconds since the data set began, in steps of 5. A listening counts if half of the track was played, as in
the data set's own benchmark.
"""

from collections.abc import Iterator
from dataclasses import replace

from recsys_model.errors import DataError
from recsys_platform.data.input.importers.folder import SourceFolder, base_name
from recsys_platform.data.input.importers.formats import Format
from recsys_platform.data.input.importers.layout import Layout, Part, Record, column, find_parts
from recsys_platform.data.input.importers.source import LeftOut, Source

HALF = 50.0
PREFERRED = ("listens.parquet", "multi_event.parquet", "likes.parquet")
"""The first of these that is there is read."""
LISTEN, LIKE = "listen", "like"
SKIPPED = LeftOut("listenings to less than half of a track")
NEGATIVE = LeftOut("dislikes and withdrawn likes")
EVENTS = Part(
    marks=frozenset(("uid", "item_id", "timestamp", "is_organic")),
    pattern="*.parquet",
    layout=Layout(
        columns={
            "user_id": column("uid"),
            "item_id": column("item_id"),
            "timestamp": column("timestamp"),
            "action": column("event_type"),
        }
    ),
)


def find_yambda(folder: SourceFolder) -> Source | None:
    """Return the source if a Parquet file has events of `uid`.

    Raises:
        DataError: several files have events, and none has a name that is preferred.
    """
    names = EVENTS.find(folder)
    pattern = next((wanted for wanted in PREFERRED for name in names if base_name(name) == wanted), EVENTS.pattern)
    part = replace(EVENTS, pattern=pattern, layout=replace(EVENTS.layout, rows=_events))
    notes = ("times are seconds since the data set began, not dates",)
    return find_parts(folder, part, notes=notes, counts_seconds=True)


def _events(record: Record) -> Iterator[Record | LeftOut]:
    if not isinstance(record["item_id"], list):
        yield _judge(record)
        return
    lists = {name: value for name, value in record.items() if isinstance(value, list)}
    lengths = {name: len(values) for name, values in lists.items()}
    if len(set(lengths.values())) > 1:
        raise DataError(
            f"the lists of uid {record['uid']} must be equally long, got {lengths}; correct or remove the row"
        )
    for values in zip(*lists.values(), strict=True):
        yield _judge({**record, **dict(zip(lists, values, strict=True))})


def _judge(event: Record) -> Record | LeftOut:
    if event.get("event_type", LISTEN) not in (LISTEN, LIKE):
        return NEGATIVE
    played = event.get("played_ratio_pct")
    return SKIPPED if played is not None and played < HALF else event


FORMAT = Format(
    name="yambda",
    title="Yambda (Yandex Music), flat and sequential",
    marks="a .parquet file with uid, item_id, timestamp, is_organic",
    reads="listens.parquet, else multi_event.parquet, else likes.parquet, with event_type as action",
    leaves_out="listenings to less than half of a track; dislikes and withdrawn likes; embeddings; there are no texts",
    find=find_yambda,
)
