"""BookCrossing: ratings, books and users, without times; the original with semicolons, or copies with commas."""

from recsys_platform.data.input.importers.folder import SourceFolder
from recsys_platform.data.input.importers.formats import Format
from recsys_platform.data.input.importers.layout import Layout, Part, column, find_parts
from recsys_platform.data.input.importers.source import Source, Value
from recsys_platform.data.input.importers.values import to_plain, to_rating, to_text


def _to_known(value: object) -> Value:
    text = to_text(value)
    return None if text == "NULL" else text


RATINGS = Part(
    marks=frozenset(("User-ID", "ISBN", "Book-Rating")),
    layout=Layout(
        columns={
            "user_id": column("User-ID"),
            "item_id": column("ISBN"),
            "rating": column("Book-Rating", read=to_rating),
        }
    ),
)
BOOKS = Part(
    marks=frozenset(("ISBN", "Book-Title")),
    layout=Layout(
        columns={
            "item_id": column("ISBN"),
            "title": column("Book-Title", read=to_plain),
            "brand": column("Book-Author", read=to_plain),
        }
    ),
)
USERS = Part(
    marks=frozenset(("User-ID", "Location")),
    layout=Layout(
        columns={
            "user_id": column("User-ID"),
            "location": column("Location", read=to_plain),
            "age": column("Age", read=_to_known),
        }
    ),
)


def find_bookcrossing(folder: SourceFolder) -> Source | None:
    """Return the source if a file has ratings of books by ISBN.

    Raises:
        DataError: a table has several files.
    """
    return find_parts(folder, RATINGS, BOOKS, USERS)


FORMAT = Format(
    name="bookcrossing",
    title="BookCrossing",
    marks="a .csv file with User-ID, ISBN, Book-Rating",
    reads="ratings in the order of the file (0 is an event without rating); title and author of the books; age and location",
    leaves_out="books that nobody rated; year, publisher and cover addresses; there are no times",
    find=find_bookcrossing,
)
