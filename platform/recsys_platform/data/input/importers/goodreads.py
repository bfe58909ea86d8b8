"""UCSD's Goodreads: reviews or interactions as JSON lines, or the large file of interactions as CSV; books and authors."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache

from recsys_model.errors import DataError
from recsys_platform.data.input.importers.folder import SourceFolder
from recsys_platform.data.input.importers.formats import Format
from recsys_platform.data.input.importers.layout import (
    Layout,
    Part,
    Record,
    Rows,
    column,
    find_parts,
    read_map,
    require_one,
)
from recsys_platform.data.input.importers.source import Source
from recsys_platform.data.input.importers.values import seconds_of, to_plain, to_rating

NOTATION = "%a %b %d %H:%M:%S %z %Y"
EVENTS = Part(
    marks=frozenset(("user_id", "book_id", "date_added", "rating")),
    layout=Layout(
        columns={
            "user_id": column("user_id"),
            "item_id": column("book_id"),
            "timestamp": column("date_added", read=seconds_of(NOTATION)),
            "rating": column("rating", read=to_rating),
            "review_text": column("review_text", "review_text_incomplete"),
        }
    ),
)
NUMBERED_EVENTS = Part(
    marks=frozenset(("user_id", "book_id", "is_read", "is_reviewed")),
    pattern="*.csv",
    layout=Layout(
        columns={
            "user_id": column("user_id"),
            "item_id": column("book_id"),
            "rating": column("rating", read=to_rating),
        }
    ),
)
BOOKS = Part(
    marks=frozenset(("book_id", "title", "authors")),
    layout=Layout(
        columns={
            "item_id": column("book_id"),
            "title": column("title", read=to_plain),
            "brand": column("author", read=to_plain),
            "description": column("description", read=to_plain),
        }
    ),
)
AUTHORS = frozenset(("author_id", "name"))
BOOK_MAP = frozenset(("book_id_csv", "book_id"))


def find_goodreads(folder: SourceFolder) -> Source | None:
    """Return the source if a file has Goodreads' interactions or reviews.

    Raises:
        DataError: a table has several files, or books cannot be joined with the numbers of the CSV file.
    """
    books = replace(BOOKS, layout=replace(BOOKS.layout, rows=_author_adder(folder), added=frozenset(("author",))))
    if not NUMBERED_EVENTS.find(folder):
        return _with_file(find_parts(folder, EVENTS, books), folder, AUTHORS)
    if EVENTS.find(folder):
        require_one(folder, "interactions", [*NUMBERED_EVENTS.find(folder), *EVENTS.find(folder)])
    events = replace(NUMBERED_EVENTS, layout=replace(NUMBERED_EVENTS.layout, rows=_book_renamer(folder)))
    return _with_file(find_parts(folder, events, books), folder, AUTHORS | BOOK_MAP)


def _author_adder(folder: SourceFolder) -> Callable[[Record], Rows]:
    """Return a function that gives a book the name of its first author, where a file has the names."""

    @cache
    def names() -> dict[str, str]:
        return read_map(folder, AUTHORS, "author_id", "name")

    def add(record: Record) -> Rows:
        authors = record.get("authors")
        first = authors[0].get("author_id") if isinstance(authors, list) and authors else None
        return ({**record, "author": names().get(str(first))},)

    return add


def _book_renamer(folder: SourceFolder) -> Callable[[Record], Rows]:
    """Return a function that gives an event of the CSV file the id of its book."""
    if BOOKS.find(folder) and not any(set(folder.fields(name)) >= BOOK_MAP for name in folder.names):
        raise DataError(
            f"input.folder {folder.path} has books, but no book_id_map.csv with book_id_csv, book_id: the interactions number "
            "the books otherwise; put the map beside them"
        )

    @cache
    def ids() -> dict[str, str]:
        return read_map(folder, BOOK_MAP, "book_id_csv", "book_id")

    def rename(record: Record) -> Rows:
        number = record.get("book_id")
        return ({**record, "book_id": ids().get(str(number), number)},)

    return rename


def _with_file(source: Source | None, folder: SourceFolder, marks: frozenset[str]) -> Source | None:
    """Add the files of authors and ids to those that are read."""
    if source is None:
        return None
    groups = [group for group in (AUTHORS, BOOK_MAP) if group <= marks]
    more = [name for name in folder.names if any(group <= set(folder.fields(name)) for group in groups)]
    return replace(source, files=tuple(dict.fromkeys((*source.files, *more))))


FORMAT = Format(
    name="goodreads",
    title="Goodreads (UCSD)",
    marks="a .json.gz file with user_id, book_id, date_added, rating; or goodreads_interactions.csv with is_reviewed",
    reads="interactions or reviews by date_added (0 is no rating), also of books that are only on a shelf; title, description and first author of the books",
    leaves_out="books without an interaction; shelves and average ratings, which cover the whole time; the CSV has no times",
    find=find_goodreads,
)
