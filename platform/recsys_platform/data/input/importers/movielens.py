"""MovieLens: 100k (`u.data` ...), 1M and 10M (`ratings.dat` ...), and all later sets (`ratings.csv`, `movies.csv`).

Layouts after the README files of GroupLens: 100k separates ratings by tabs and the rest by `|`, 1M everything
by `::`. Time stamps tie often; the order of the file decides among them.
"""

from collections.abc import Callable, Iterator, Sequence

from recsys_platform.data.input.importers.folder import SourceFolder
from recsys_platform.data.input.importers.formats import Format
from recsys_platform.data.input.importers.layout import Layout, Part, column, find_parts
from recsys_platform.data.input.importers.source import Row, RowTable, Source
from recsys_platform.data.input.importers.values import split_labels, to_plain
from recsys_platform.data.input.records import MalformedLine

RATING_COLUMNS = ("user_id", "item_id", "rating", "timestamp")
FIRST_GENRE_FIELD = 5
"""Of a line of `u.item`: id, title, two dates and an address come first."""

AGES = {
    "1": "under 18",
    "18": "18-24",
    "25": "25-34",
    "35": "35-44",
    "45": "45-49",
    "50": "50-55",
    "56": "56 or older",
}
"""What the numbers of `users.dat` mean."""
OCCUPATIONS = (
    "other",
    "academic or educator",
    "artist",
    "clerical or admin",
    "college or graduate student",
    "customer service",
    "doctor or health care",
    "executive or managerial",
    "farmer",
    "homemaker",
    "K-12 student",
    "lawyer",
    "programmer",
    "retired",
    "sales or marketing",
    "scientist",
    "self-employed",
    "technician or engineer",
    "tradesman or craftsman",
    "unemployed",
    "writer",
)
"""By the numbers of `users.dat`."""

CSV_RATINGS = Part(
    marks=frozenset(("userId", "movieId", "rating", "timestamp")),
    layout=Layout(
        columns={
            "user_id": column("userId"),
            "item_id": column("movieId"),
            "rating": column("rating"),
            "timestamp": column("timestamp"),
        }
    ),
)
CSV_MOVIES = Part(
    marks=frozenset(("movieId", "title", "genres")),
    layout=Layout(
        columns={
            "item_id": column("movieId"),
            "title": column("title", read=to_plain),
            "categories": column("genres", read=split_labels("|", nothing="(no genres listed)")),
        }
    ),
)

Parse = Callable[[list[str]], Row]


def find_movielens(folder: SourceFolder) -> Source | None:
    """Return the source if the folder holds one of the sets.

    Raises:
        DataError: several CSV files have ratings, or several have movies.
    """
    if {"u.data", "u.item"} <= set(folder.names):
        return _find_100k(folder)
    if {"ratings.dat", "movies.dat"} <= set(folder.names):
        return _find_1m(folder)
    return find_parts(folder, CSV_RATINGS, CSV_MOVIES, keeps_unused_items=True)


def _find_100k(folder: SourceFolder) -> Source:
    genres = _read_genres(folder) if "u.genre" in folder.names else ()

    def parse_item(fields: list[str]) -> Row:
        flags = fields[FIRST_GENRE_FIELD:]
        named = [genre for genre, flag in zip(genres, flags, strict=False) if flag == "1"]
        return {"item_id": fields[0], "title": fields[1], "categories": named}

    def parse_user(fields: list[str]) -> Row:
        return dict(zip(("user_id", "age", "gender", "occupation", "zip_code"), fields, strict=True))

    num_item_fields = FIRST_GENRE_FIELD + len(genres) if genres else None
    has_users = "u.user" in folder.names
    return Source(
        why="u.data and u.item are the files of MovieLens 100k",
        files=tuple(name for name in ("u.data", "u.genre", "u.item", "u.user") if name in folder.names),
        interactions=_table(folder, "u.data", "\t", RATING_COLUMNS, _parse_rating, 4),
        items=_table(folder, "u.item", "|", ("item_id", "title", "categories"), parse_item, num_item_fields),
        users=_table(folder, "u.user", "|", ("user_id", "age", "gender", "occupation", "zip_code"), parse_user, 5)
        if has_users
        else None,
        keeps_unused_items=True,
    )


def _find_1m(folder: SourceFolder) -> Source:
    has_users = "users.dat" in folder.names
    return Source(
        why=f"ratings.dat and movies.dat are the files of MovieLens {'1M' if has_users else '10M'}",
        files=tuple(name for name in ("movies.dat", "ratings.dat", "users.dat") if name in folder.names),
        interactions=_table(folder, "ratings.dat", "::", RATING_COLUMNS, _parse_rating, 4),
        items=_table(folder, "movies.dat", "::", ("item_id", "title", "categories"), _parse_movie, 3),
        users=_table(folder, "users.dat", "::", ("user_id", "gender", "age", "occupation", "zip_code"), _parse_user, 5)
        if has_users
        else None,
        keeps_unused_items=True,
    )


def _table(
    folder: SourceFolder, name: str, separator: str, columns: tuple[str, ...], parse: Parse, num_fields: int | None
) -> RowTable:
    """Return the table of a file whose lines have `num_fields` fields; None takes any number from two on."""

    def read() -> Iterator[Row | MalformedLine]:
        for line in filter(str.strip, folder.read_lines(name)):
            fields = line.split(separator)
            fits = len(fields) == num_fields if num_fields is not None else len(fields) >= 2
            yield parse(fields) if fits else MalformedLine(line)

    return RowTable(columns=columns, read=read)


def _read_genres(folder: SourceFolder) -> Sequence[str]:
    """Return the names of `u.genre`, in the order of their numbers."""
    pairs = [line.rsplit("|", 1) for line in folder.read_lines("u.genre") if "|" in line]
    return [name for name, number in sorted(pairs, key=lambda pair: int(pair[1]))]


def _parse_rating(fields: list[str]) -> Row:
    return dict(zip(RATING_COLUMNS, fields, strict=True))


def _parse_movie(fields: list[str]) -> Row:
    return {"item_id": fields[0], "title": fields[1], "categories": [name for name in fields[2].split("|") if name]}


def _parse_user(fields: list[str]) -> Row:
    user_id, gender, age, occupation, zip_code = fields
    is_known = occupation.isdecimal() and int(occupation) < len(OCCUPATIONS)
    return {
        "user_id": user_id,
        "gender": gender,
        "age": AGES.get(age, age),
        "occupation": OCCUPATIONS[int(occupation)] if is_known else occupation,
        "zip_code": zip_code,
    }


FORMAT = Format(
    name="movielens",
    title="MovieLens: 100K, 1M, 10M, 20M, 25M, 32M, latest",
    marks="u.data and u.item; or ratings.dat and movies.dat; or a .csv file with userId, movieId, rating, timestamp",
    reads="ratings; titles and genres of all movies; age, gender, occupation and zip code of the users where the set has them",
    leaves_out="tags, links, genome scores",
    find=find_movielens,
)
