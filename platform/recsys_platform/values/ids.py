"""One text for one id, and how ids look that a program has damaged."""

import re

EXACT_WHOLE_NUMBERS = {"double": 2**53, "float": 2**24, "halffloat": 2**11}
"""Arrow's name of a type -> the number from which on it rounds whole numbers."""
WHOLE_WITH_POINT = r"^[+-]?\d+\.0+$"
"""A whole number that was written as a float, such as `12.0`."""
SCIENTIFIC = r"^[+-]?(\d(\.\d+)?[eE]\+\d+|inf|Infinity)$"
"""How spreadsheets and floats write long numbers; codes such as `12E4` have no sign there."""
ROUNDED_EXPONENT_DIGITS = 4
"""Digits of the exponent of a number that a float has rounded, where `written` writes it; no program writes so many."""
_WHOLE_WITH_POINT = re.compile(WHOLE_WITH_POINT)
_SCIENTIFIC = re.compile(r"([+-]?)(\d)(?:\.(\d+))?[eE]\+(\d+)")


class InexactIdError(ValueError):
    """An id that went through a type that cannot hold it."""


def canonical_id(text: str) -> str:
    """Return the one text of an id: `12.0` and `1.2e+01` are `12`, every other text stays as it is.

    Raises:
        InexactIdError: digits are lost: a float has rounded it, or a spreadsheet has shortened it.

    Example:
        >>> canonical_id("12.0"), canonical_id("1.234567e+06"), canonical_id("007"), canonical_id("12E4")
        ('12', '1234567', '007', '12E4')
    """
    if text.lstrip("+-") in ("inf", "Infinity"):
        raise InexactIdError(f"{text} went through a float; write ids as text or as integers")
    match = _SCIENTIFIC.fullmatch(text)
    if match is not None:
        return _checked(_expand(text, match), text)
    return _checked(text.partition(".")[0], text) if _WHOLE_WITH_POINT.match(text) else text


def _expand(text: str, match: re.Match[str]) -> str:
    """Return the digits of a whole number in scientific notation, `text` of another number."""
    sign, first, fraction, exponent = match.groups(default="")
    power = int(exponent)
    if len(exponent) >= ROUNDED_EXPONENT_DIGITS or len(fraction) < power:
        raise InexactIdError(f"{text} has lost digits; write ids as text or as integers")
    return text if fraction[power:].strip("0") else f"{sign}{first}{fraction[:power]}"


def _checked(whole: str, text: str) -> str:
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
