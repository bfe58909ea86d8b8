"""Say how the ids of two tables differ where they should be equal."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from recsys_model.entities.unique_texts import fold_whitespace


def _without_zeros(text: str) -> str:
    return text.lstrip("0") or "0" if text.isdecimal() else text


_DIFFERENCES: dict[str, Callable[[str], str]] = {
    "zeros in front": _without_zeros,
    "blanks": fold_whitespace,
    "upper and lower case": str.casefold,
    "blanks and case": lambda text: fold_whitespace(text).casefold(),
    "quotes": lambda text: text.strip("'\" "),
}
"""What ids may differ by -> the ids without it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Side:
    """The ids of one table."""

    setting: str
    """Its name in the settings, such as `input.items`."""
    column: str
    """Our name of the column."""


def describe_differences(
    unknown_to_rows: Mapping[str, int], known: Iterable[str], side: Side, known_side: Side
) -> list[str]:
    """Return one sentence for each way in which ids that were not found differ from those that exist.

    Args:
        unknown_to_rows: Id that was not found -> rows that have it.
        known: The ids that exist.
        side: Where the former are.
        known_side: Where the latter are.

    Example:
        >>> unknown = {"108775015": 3, "B1": 1}
        >>> sides = (Side(setting="input.interactions", column="item_id"), Side(setting="input.items", column="item_id"))
        >>> describe_differences(unknown, ["0108775015"], *sides)[0][:75]
        '3 of 4 such rows differ from an id of input.items by zeros in front alone ('
    """
    known = list(known)
    remaining = dict(unknown_to_rows)
    sentences = []
    for name, strip in _DIFFERENCES.items():
        stripped_to_known = {strip(key): key for key in known}
        pairs = {key: stripped_to_known[strip(key)] for key in remaining if strip(key) in stripped_to_known}
        if pairs:
            num_rows = sum(remaining.pop(key) for key in pairs)
            example = next(iter(pairs.items()))
            sentences.append(
                f"{num_rows} of {sum(unknown_to_rows.values())} such rows differ from an id of {known_side.setting} by "
                f"{name} alone ({example[0]!r} here, {example[1]!r} there): {_way_out(name, pairs, side, known_side)}"
            )
    return sentences


def _way_out(name: str, pairs: Mapping[str, str], side: Side, known_side: Side) -> str:
    if name != "zeros in front":
        return "write them alike in both tables"
    widths = Counter(max(len(key), len(known)) for key, known in pairs.items())
    lost_here = sum(len(key) < len(known) for key, known in pairs.items())
    shorter = side if 2 * lost_here >= len(pairs) else known_side
    return (
        f"set {shorter.setting}.id_width to {{{shorter.column}: {widths.most_common(1)[0][0]}}}, or write ids as text in "
        "both tables"
    )
