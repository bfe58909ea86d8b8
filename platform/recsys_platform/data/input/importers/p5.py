"""The sequence files of P5 and S3-Rec: one user a line, `user item item ...`, in the order of the events.

The numbers were given to items in the order in which the sequences visit them, so a model that sees them can
guess the next one. `datamaps.json` maps them to the ids of the shop, and metadata give titles.
"""

import json
from collections.abc import Iterator, Mapping

from recsys_model.errors import DataError
from recsys_platform.data.input.importers.amazon_records import is_metadata
from recsys_platform.data.input.importers.folder import SourceFolder
from recsys_platform.data.input.importers.mcauley import first_records, metadata_table
from recsys_platform.data.input.importers.source import Row, RowTable, Source
from recsys_platform.data.input.records import MalformedLine

NEEDS = "sequential_data.txt, or S3-Rec's NAME.txt with NAME_item2attributes.json beside it"
SEQUENCES = "sequential_data.txt"
ID_MAPS = "datamaps.json"
ATTRIBUTES = "_item2attributes.json"
COLUMNS = ("user_id", "item_id", "timestamp", "position")


def find_p5(folder: SourceFolder) -> Source | None:
    """Return the source if the folder has a file of sequences.

    Raises:
        DataError: it has several, or several files of metadata, or damaged maps of ids.
    """
    sequence_files = [name for name in folder.names if name == SEQUENCES or _attributes_of(name) in folder.names]
    if not sequence_files:
        return None
    metadata = [name for name, record in first_records(folder).items() if is_metadata(record)]
    for kind, names in (("sequences", sequence_files), ("metadata", metadata)):
        if len(names) > 1:
            raise DataError(
                f"input.folder {folder.path} must have one file of {kind}, got {names}; move the others away"
            )
    maps = (ID_MAPS,) if ID_MAPS in folder.names else ()
    user_ids, item_ids = (_read_map(folder, name) if maps else {} for name in ("id2user", "id2item"))
    return Source(
        why=f"{sequence_files[0]} has lines of a user and items",
        files=(*sequence_files, *maps, *metadata),
        interactions=RowTable(columns=COLUMNS, read=lambda: _read(folder, sequence_files[0], user_ids, item_ids)),
        items=metadata_table(folder, metadata),
        users=None,
        keeps_unused_items=False,
        notes=tuple(_notes(has_maps=bool(maps), has_metadata=bool(metadata))),
    )


def _attributes_of(name: str) -> str:
    """Return the name of S3-Rec's attributes file for `NAME.txt`."""
    return name.removesuffix(".txt") + ATTRIBUTES if name.endswith(".txt") else ""


def _notes(*, has_maps: bool, has_metadata: bool) -> Iterator[str]:
    yield "the files have no times: an event's place in its sequence stands for seconds, so all are short-term behaviour"
    if not has_maps:
        yield f"without {ID_MAPS} items keep the numbers that the sequences gave them"
    if not has_metadata:
        yield "without metadata items have no titles and are told by their ids"


def _read_map(folder: SourceFolder, name: str) -> dict[str, str]:
    try:
        document = json.loads(folder.read_text(ID_MAPS))
        return {str(number): str(original) for number, original in document[name].items()}
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise DataError(f"{ID_MAPS} in input.folder {folder.path} must be JSON with {name}: {error!r}") from error


def _read(
    folder: SourceFolder, name: str, user_ids: Mapping[str, str], item_ids: Mapping[str, str]
) -> Iterator[Row | MalformedLine]:
    for line in filter(str.strip, folder.read_lines(name)):
        user, *items = line.split()
        if not items:
            yield MalformedLine(line)
            continue
        user_id = _original(user, user_ids, "id2user")
        for position, item in enumerate(items):
            place = str(position)
            item_id = _original(item, item_ids, "id2item")
            yield {"user_id": user_id, "item_id": item_id, "timestamp": place, "position": place}


def _original(number: str, originals: Mapping[str, str], name: str) -> str:
    if not originals:
        return number
    if number not in originals:
        raise DataError(f"{ID_MAPS} has no {number} in {name}, but a sequence does; the files do not belong together")
    return originals[number]
