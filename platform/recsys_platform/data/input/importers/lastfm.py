"""Last.fm 2K of HetRec 2011: how often users played artists, without times."""

from recsys_platform.data.input.importers.folder import SourceFolder
from recsys_platform.data.input.importers.formats import Format
from recsys_platform.data.input.importers.layout import Layout, Part, column, find_parts
from recsys_platform.data.input.importers.source import Source
from recsys_platform.data.input.importers.values import to_plain

PLAYS = Part(
    marks=frozenset(("userID", "artistID", "weight")),
    layout=Layout(columns={"user_id": column("userID"), "item_id": column("artistID")}),
)
ARTISTS = Part(
    marks=frozenset(("id", "name", "pictureURL")),
    layout=Layout(columns={"item_id": column("id"), "title": column("name", read=to_plain)}),
)


def find_lastfm(folder: SourceFolder) -> Source | None:
    """Return the source if a file has plays of artists.

    Raises:
        DataError: a table has several files.
    """
    return find_parts(folder, PLAYS, ARTISTS, keeps_unused_items=True)


FORMAT = Format(
    name="lastfm",
    title="Last.fm 2K (HetRec 2011)",
    marks="a .dat file, tabs between the fields userID, artistID, weight",
    reads="one interaction for each artist of a user, in the order of the file; names of artists",
    leaves_out="weight (play counts); tags and friends; there are no times of plays",
    find=find_lastfm,
)
