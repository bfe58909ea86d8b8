"""Logs of shops whose users are sessions or visitors: RetailRocket, Diginetica and Otto. None has texts of items."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache

from recsys_platform.data.input.importers.folder import SourceFolder
from recsys_platform.data.input.importers.formats import Format
from recsys_platform.data.input.importers.layout import Layout, Part, Record, Rows, column, find_parts, read_map
from recsys_platform.data.input.importers.layout import read_records as read_file
from recsys_platform.data.input.importers.source import Entry, LeftOut, RowTable, Source
from recsys_platform.data.input.importers.values import seconds_from, seconds_of, split_labels
from recsys_platform.data.input.records import MalformedLine

EVENTS = Part(
    marks=frozenset(("timestamp", "visitorid", "event", "itemid")),
    layout=Layout(
        columns={
            "user_id": column("visitorid"),
            "item_id": column("itemid"),
            "timestamp": column("timestamp", read=seconds_from(1000)),
            "action": column("event"),
        }
    ),
)
OTHER_PROPERTIES = LeftOut("properties other than categoryid")
EARLIER_CATEGORIES = LeftOut("earlier categories of an item")
PROPERTIES = frozenset(("timestamp", "itemid", "property", "value"))


def find_retailrocket(folder: SourceFolder) -> Source | None:
    """Return the source if a file has events of visitors.

    Raises:
        DataError: several files have events.
    """
    source = find_parts(folder, EVENTS)
    names = [name for name in folder.names if set(folder.fields(name)) >= PROPERTIES]
    if source is None or not names:
        return source
    items = RowTable(columns=("item_id", "categories"), read=lambda: _read_categories(folder, names))
    return replace(source, files=(*source.files, *names), items=items)


def _read_categories(folder: SourceFolder, names: list[str]) -> Iterator[Entry]:
    """Yield the latest category of each item; the other properties are hashes."""
    latest: dict[str, tuple[int, str]] = {}
    for name in names:
        for record in read_file(folder, name):
            if isinstance(record, MalformedLine):
                yield record
            elif record["property"] != "categoryid":
                yield OTHER_PROPERTIES
            elif record["itemid"] and record["value"] and (record["timestamp"] or "").isdigit():
                change = (int(record["timestamp"]), record["value"])
                if record["itemid"] in latest:
                    yield EARLIER_CATEGORIES
                latest[record["itemid"]] = max(latest.get(record["itemid"], change), change)
            else:
                yield MalformedLine(",".join(map(str, record.values())))
    for item, (_, category) in latest.items():
        yield {"item_id": item, "categories": [category]}


VIEWS = Part(
    marks=frozenset(("sessionId", "itemId", "timeframe", "eventdate")),
    pattern="*view*",
    layout=Layout(
        columns={
            "user_id": column("sessionId"),
            "item_id": column("itemId"),
            "timestamp": column("time"),
        },
        rows=lambda record: ({**record, "time": _time_of_view(record)},),
        added=frozenset(("time",)),
    ),
)
PRODUCTS = Part(
    marks=frozenset(("itemId", "product.name.tokens")),
    layout=Layout(
        columns={
            "item_id": column("itemId"),
            "title": column("name"),
            "categories": column("category", read=split_labels("|")),
        }
    ),
)
CATEGORIES = frozenset(("itemId", "categoryId"))


def _time_of_view(record: Record) -> str | None:
    """Return the second of a view: the day of its session and the milliseconds since the session began."""
    day = seconds_of("%Y-%m-%d")(record["eventdate"])
    offset = seconds_from(1000)(record["timeframe"])
    if not (isinstance(day, str) and day.isdigit() and isinstance(offset, str)):
        return record["eventdate"]
    whole, _, fraction = offset.partition(".")
    return f"{int(day) + int(whole)}{'.' if fraction else ''}{fraction}" if whole.isdigit() else offset


def find_diginetica(folder: SourceFolder) -> Source | None:
    """Return the source if a file has views of items in sessions.

    Raises:
        DataError: several files have views, or several have products.
    """
    products = replace(
        PRODUCTS,
        layout=replace(PRODUCTS.layout, rows=_product_describer(folder), added=frozenset(("name", "category"))),
    )
    source = find_parts(folder, VIEWS, products, notes=("names of products are numbers in place of words",))
    names = [name for name in folder.names if set(folder.fields(name)) >= CATEGORIES]
    return None if source is None else replace(source, files=(*source.files, *names))


def _product_describer(folder: SourceFolder) -> Callable[[Record], Rows]:
    """Return a function that gives a product its category, and its name with blanks between the numbers."""

    @cache
    def categories() -> dict[str, str]:
        return read_map(folder, CATEGORIES, "itemId", "categoryId")

    def describe(record: Record) -> Rows:
        name = (record["product.name.tokens"] or "").replace(",", " ")
        return ({**record, "name": name, "category": categories().get(record["itemId"])},)

    return describe


def _events(record: Record) -> Iterator[Record | LeftOut]:
    events = record.get("events")
    for event in events if isinstance(events, list) else ():
        if isinstance(event, dict):
            yield {**event, "session": record["session"]}
        else:
            yield LeftOut("events that are no objects")


SESSIONS = Part(
    marks=frozenset(("session", "events")),
    takes_many=True,
    layout=Layout(
        columns={
            "user_id": column("session"),
            "item_id": column("aid"),
            "timestamp": column("ts", read=seconds_from(1000)),
            "action": column("type"),
        },
        rows=_events,
        added=frozenset(("aid", "ts", "type")),
    ),
)


def find_otto(folder: SourceFolder) -> Source | None:
    """Return the source if a file has sessions with nested events."""
    return find_parts(folder, SESSIONS)


RETAILROCKET = Format(
    name="retailrocket",
    title="RetailRocket",
    marks="a .csv file with timestamp, visitorid, event, itemid",
    reads="views, additions to a cart and transactions, with the event as action; the latest categoryid of an item",
    leaves_out="the other properties, which are hashes, so items have no title; the tree of categories",
    find=find_retailrocket,
)
DIGINETICA = Format(
    name="diginetica",
    title="Diginetica (CIKM Cup 2016)",
    marks="a .csv file, semicolons between the fields sessionId, itemId, timeframe, eventdate, with view in its name",
    reads="views with the session as user, at eventdate plus timeframe; numbers of product names; categoryId",
    leaves_out="products that nobody viewed; queries, clicks, purchases; userId, which most sessions lack; prices, which are logarithms",
    find=find_diginetica,
)
OTTO = Format(
    name="otto",
    title="Otto",
    marks="a .jsonl file of lines with session and events",
    reads="every event of a session, with its type as action; several such files are one table",
    leaves_out="nothing; there are no texts of items",
    find=find_otto,
)
