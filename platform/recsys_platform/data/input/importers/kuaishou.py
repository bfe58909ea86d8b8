"""Kuaishou's short videos: KuaiRec (nearly fully observed) and KuaiRand (with random exposures)."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

from recsys_platform.data.input.importers.folder import SourceFolder, base_name
from recsys_platform.data.input.importers.formats import Format
from recsys_platform.data.input.importers.layout import Layout, Part, Record, Rows, column, find_parts, read_map
from recsys_platform.data.input.importers.source import LeftOut, Source
from recsys_platform.data.input.importers.values import seconds_from, to_labels, to_plain

NOT_PLAYED = LeftOut("videos that were shown and not played")
NOT_CLICKED = LeftOut("videos that were shown and not clicked")
UNKNOWN = ("", "UNKNOWN", "-124")
"""Values of a caption or category that is not known."""
LEVELS = ("first_level_category_name", "second_level_category_name", "third_level_category_name")


def _is_positive(value: Any) -> bool:
    try:
        return float(value) > 0.0
    except (TypeError, ValueError):
        return False


def _played(record: Record) -> Rows:
    return (record if _is_positive(record["play_duration"]) else NOT_PLAYED,)


def _clicked(record: Record) -> Rows:
    return (record if _is_positive(record["is_click"]) else NOT_CLICKED,)


def _to_known(value: Any) -> str | None:
    text = to_plain(value)
    return None if text in UNKNOWN else text


MATRIX = Part(
    marks=frozenset(("user_id", "video_id", "play_duration", "timestamp", "watch_ratio")),
    layout=Layout(
        columns={
            "user_id": column("user_id"),
            "item_id": column("video_id"),
            "timestamp": column("timestamp"),
        },
        rows=_played,
    ),
)
CAPTIONS = Part(
    marks=frozenset(("video_id", "caption")),
    layout=Layout(
        columns={
            "item_id": column("video_id"),
            "title": column("caption", "manual_cover_text", read=_to_known),
            "categories": column("categories", read=to_labels),
        }
    ),
)
TAGS = frozenset(("video_id", "feat"))
FEATURES = Part(
    marks=frozenset(("user_id", "user_active_degree")),
    layout=Layout(
        columns={"user_id": column("user_id")}
        | {
            name: column(name)
            for name in (
                "user_active_degree",
                "follow_user_num_range",
                "fans_user_num_range",
                "friend_user_num_range",
                "register_days_range",
            )
        }
    ),
)


def find_kuairec(folder: SourceFolder) -> Source | None:
    """Return the source if a file has plays of videos; of the two matrices, the big one is read.

    Raises:
        DataError: a table has several files.
    """
    matrices = MATRIX.find(folder)
    big = [name for name in matrices if "big" in base_name(name)]
    matrix = replace(MATRIX, pattern="*big*") if big else MATRIX
    captions = replace(
        CAPTIONS, layout=replace(CAPTIONS.layout, rows=_category_adder(folder), added=frozenset(("categories",)))
    )
    source = find_parts(folder, matrix, captions, FEATURES)
    names = [name for name in folder.names if set(folder.fields(name)) >= TAGS and CAPTIONS.find(folder)]
    return None if source is None else replace(source, files=(*source.files, *names))


def _category_adder(folder: SourceFolder) -> Callable[[Record], Rows]:
    """Return a function that gives a video the names of its categories, else the numbers of `item_categories.csv`."""

    @cache
    def numbers() -> dict[str, str]:
        return read_map(folder, TAGS, "video_id", "feat")

    def add(record: Record) -> Rows:
        names = [name for level in LEVELS if (name := _to_known(record.get(level))) is not None]
        return ({**record, "categories": names or numbers().get(str(record["video_id"]))},)

    return add


LOG = Part(
    marks=frozenset(("user_id", "video_id", "time_ms", "is_click")),
    takes_many=True,
    layout=Layout(
        columns={
            "user_id": column("user_id"),
            "item_id": column("video_id"),
            "timestamp": column("time_ms", read=seconds_from(1000)),
        },
        rows=_clicked,
    ),
)


def _with_tags(record: Record) -> Rows:
    return ({**record, "tags": (record.get("tag") or "").split(",")},)


VIDEOS = Part(
    marks=frozenset(("video_id", "author_id", "video_type")),
    takes_many=True,
    layout=Layout(
        columns={"item_id": column("video_id"), "categories": column("tags", read=to_labels)},
        rows=_with_tags,
        added=frozenset(("tags",)),
    ),
)
VIDEO_CAPTIONS = Part(
    marks=frozenset(("final_video_id", "caption")),
    layout=Layout(
        columns={
            "item_id": column("final_video_id"),
            "title": column("caption", "show_cover_text", read=_to_known),
        }
    ),
)


def find_kuairand(folder: SourceFolder) -> Source | None:
    """Return the source if files have logs of videos; those of random exposures are not read.

    Raises:
        DataError: several files have captions.
    """
    log = replace(LOG, pattern="*standard*") if any("standard" in base_name(name) for name in LOG.find(folder)) else LOG
    videos = VIDEO_CAPTIONS if VIDEO_CAPTIONS.find(folder) else VIDEOS
    return find_parts(folder, log, videos, FEATURES)


KUAIREC = Format(
    name="kuairec",
    title="KuaiRec",
    marks="a .csv file with user_id, video_id, play_duration, timestamp, watch_ratio",
    reads="every play of big_matrix.csv, else of small_matrix.csv, whatever its watch_ratio; captions and categories; ranges of user features",
    leaves_out="videos that were shown and not played; the other matrix; daily statistics; the social network",
    find=find_kuairec,
)
KUAIRAND = Format(
    name="kuairand",
    title="KuaiRand (Pure, 1K, 27K)",
    marks="a .csv file with user_id, video_id, time_ms, is_click",
    reads="clicks of the log_standard files, all of them together; captions of kuairand_video_captions.csv, else tags of video_features_basic as categories; ranges of user features",
    leaves_out="videos that were not clicked; log_random, whose videos were drawn at random; statistics",
    find=find_kuairand,
)
