"""One text for one id, and how ids look that a program has damaged."""

import re

EXACT_WHOLE_NUMBERS = {"double": 2**53, "float": 2**24, "halffloat": 2**11}
"""Arrow's name of a type -> the number from which on it rounds whole numbers."""
WHOLE_WITH_POINT = r"^[+-]?\d+\.0+$"
"""A whole number that was written as a float, such as `12.0`."""
SCIENTIFIC = r"^[+-]?(\d(\.\d+)?[eE]\+\d+|inf|Infinity)$"
"""How spreadsheets and floats write numbers beyond their digits; codes such as `12E4` have no sign there."""
_WHOLE_WITH_POINT, _SCIENTIFIC = re.compile(WHOLE_WITH_POINT), re.compile(SCIENTIFIC)


class InexactIdError(ValueError):
    """An id that went through a type that cannot hold it."""


def canonical_id(text: str) -> str:
    """Return the one text of an id: `12.0` is `12`, every other text stays as it is.

    Raises:
        InexactIdError: it was written by a float beyond its exact whole numbers, so digits are lost.

    Example:
        >>> canonical_id("12.0"), canonical_id("007"), canonical_id("1.50"), canonical_id("12E4")
        ('12', '007', '1.50', '12E4')
    """
    if _SCIENTIFIC.match(text):
        raise InexactIdError(f"{text} has lost digits; write ids as text or as integers")
    if not _WHOLE_WITH_POINT.match(text):
        return text
    whole = text.partition(".")[0]
    if len(whole) > 15 and abs(int(whole)) >= EXACT_WHOLE_NUMBERS["double"]:
        raise InexactIdError(f"{text} went through a float, which rounds it; write ids as text or as integers")
    return whole


def usual_id(text: str) -> str:
    """Return the one text of an id where it has one, else `text` itself, which no item has.

    Example:
        >>> usual_id("12.0"), usual_id("1e+16")
        ('12', '1e+16')
    """
    try:
        return canonical_id(text)
    except InexactIdError:
        return text
