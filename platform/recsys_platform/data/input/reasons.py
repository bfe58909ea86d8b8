"""The reasons of the contract, and the way out of each."""

from collections.abc import Iterable

EMPTY_TITLE = "empty_title"
UNREADABLE = {name: f"unreadable_{name}" for name in ("action", "brand", "price", "categories", "feature", "column")}
"""Column -> the reason of a value without a plain text."""
_KEPT = (EMPTY_TITLE, *(reason for name, reason in UNREADABLE.items() if name != "action"))
_FIELD = "name a field of the object in {setting}.columns, or a list of names in place of it"
REASON_TO_WAY_OUT = {
    "malformed_line": "these lines have another number of fields than the header, or are no JSON objects",
    "nested_id": "lists as ids: name their columns in {setting}.explode, which makes each entry a row",
    "inexact_id": "these ids went through a float, which rounds them: write ids as text or as integers",
    "unparsable_timestamp": "set {setting}.time_format, such as '%m/%d/%Y %H:%M'",
    "timestamp_out_of_range": "set {setting}.time_unit to s, ms, us, ns or days (of a spreadsheet)",
    "inexact_timestamp": "a float32 holds times to two minutes, a spreadsheet shows six digits: write times as integers or timestamps",
    "unknown_item": "no row of the items table has these ids: compare how both tables write them, or set input.catalog to "
    "interactions",
    "duplicate_id": "one row of an id is kept, the first",
    UNREADABLE["action"]: _FIELD,
}
"""Reason -> what to do about it."""


def is_kept(reason: str) -> bool:
    """Whether rows with this reason stay, without the value that it names; such rows do not count as rejected.

    Example:
        >>> is_kept("empty_title"), is_kept("unreadable_feature_age"), is_kept("null_id")
        (True, True, False)
    """
    return reason.startswith(_KEPT)


def ways_out(reasons: Iterable[str], table: str) -> list[str]:
    """Return the way out of each reason that has one.

    Example:
        >>> ways_out(["null_user", "inexact_id"], "items")
        ['inexact_id: these ids went through a float, which rounds them: write ids as text or as integers']
    """
    return [
        f"{reason}: {REASON_TO_WAY_OUT[reason].format(setting=f'input.{table}')}"
        for reason in sorted(reasons)
        if reason in REASON_TO_WAY_OUT
    ]
