"""Write a number in one way, whichever program wrote it before."""

import re

import numpy as np

NUMBER = re.compile(r"(-?)(0|[1-9]\d*)(?:\.(\d+))?(?:[eE]([+-]?\d{1,4}))?")
"""A number as JSON has it: `007` and `+5` are texts."""
SMALLEST_PLAIN = -7
"""Power of ten of the first digit below which a number is written with an exponent."""
LARGEST_EXPONENT = 400
"""Beyond it a text is no number; a float ends at 308."""
NOISY_DIGITS = 15
"""From so many digits on, a number that a float32 holds exactly has the noise of its binary form."""

SMALLEST_FLOAT32, LARGEST_FLOAT32 = 2.0**-126, 2.0**128
"""Between them a float32 has all its digits."""


def canonical_number(text: str) -> str | None:
    """Return the shortest text of the number that `text` writes, None if it writes none.

    A whole mantissa with an exponent that has no sign, such as `12E4`, is a code and no number: programs write
    `12e+4` or `1.2e5`.

    Example:
        >>> [canonical_number(text) for text in ("25.0", "1.50", "1e-05", "-0.0", "3.0399999618530273")]
        ['25', '1.5', '0.00001', '0', '3.04']
        >>> [canonical_number(text) for text in ("007", "12E4", "1,000", "25")]
        [None, None, None, '25']
    """
    match = NUMBER.fullmatch(text)
    if match is None:
        return None
    sign, whole, fraction, exponent = match.groups()
    if fraction is None and exponent is None:
        return "0" if text == "-0" else text
    if fraction is None and exponent[0] not in "+-":
        return None
    fraction = fraction or ""
    if abs(int(exponent or 0)) > LARGEST_EXPONENT:
        return None
    if len((whole + fraction).strip("0")) >= NOISY_DIGITS and (short := _without_noise(float(text))) is not None:
        return canonical_number(short)
    return _write(sign, whole + fraction, int(exponent or 0) - len(fraction))


def _without_noise(value: float) -> str | None:
    """Return the text of a float32 that was written as a float64, None for another number."""
    if value.is_integer() or not SMALLEST_FLOAT32 <= abs(value) < LARGEST_FLOAT32:
        return None
    single = np.float32(value)
    return str(single) if float(single) == value else None


def _write(sign: str, digits: str, exponent: int) -> str:
    """Write `digits * 10 ** exponent` without trailing zeros."""
    stripped = digits.rstrip("0")
    exponent += len(digits) - len(stripped)
    digits = stripped.lstrip("0")
    if not digits:
        return "0"
    power = len(digits) + exponent - 1
    if power < SMALLEST_PLAIN:
        return f"{sign}{digits[0]}{'.' if len(digits) > 1 else ''}{digits[1:]}e{power:+03d}"
    if exponent >= 0:
        return sign + digits + "0" * exponent
    if power >= 0:
        return f"{sign}{digits[: power + 1]}.{digits[power + 1 :]}"
    return f"{sign}0.{'0' * (-power - 1)}{digits}"
