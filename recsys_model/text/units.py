"""The units that texts are counted in: words between blanks in English, characters in Chinese.

In Chinese a Han character or kana is a unit; so is a run of other letters and digits ("USB", "20").
"""

import re

from recsys_model.config.text import LanguageCode

UNSPACED = "⺀-⿟々〇〡-〩〸-〻\u3040-ヿㇰ-ㇿ㐀-䶿一-鿿豈-\ufaff\U00020000-\U0003ffff"
"""Range of Han characters and kana, for a class of a regular expression; they are written without blanks between words."""
_CHARACTER_UNIT = re.compile(rf"[{UNSPACED}]|[^\W_{UNSPACED}]+")
_WORD_UNIT = re.compile(r"\S+")
_UNITS: dict[LanguageCode, re.Pattern[str]] = {"en": _WORD_UNIT, "zh": _CHARACTER_UNIT}


def characters_and_words(text: str) -> list[str]:
    """Return the Han characters and kana one by one and other words whole, lower case, without marks.

    Example:
        >>> characters_and_words("USB-C 接口很紧，20瓦。")
        ['usb', 'c', '接', '口', '很', '紧', '20', '瓦']
    """
    return _CHARACTER_UNIT.findall(text.lower())


def num_units(text: str, language: LanguageCode) -> int:
    """Return the number of units of a text.

    Example:
        >>> num_units("works as it should", "en"), num_units("很好用", "zh")
        (4, 3)
    """
    return len(_UNITS[language].findall(text))


def first_units(text: str, count: int, language: LanguageCode) -> str:
    """Return a text up to the end of its first `count` units, white space folded.

    Example:
        >>> first_units("It  works. Really.", 2, "en"), first_units("做工很好，推荐！", 4, "zh")
        ('It works.', '做工很好')
    """
    folded = " ".join(text.split())
    ends = [unit.end() for unit in _UNITS[language].finditer(folded)]
    return folded[: ends[min(count, len(ends)) - 1]] if ends and count > 0 else ""
