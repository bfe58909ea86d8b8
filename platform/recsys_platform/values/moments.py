"""Read a time that a text writes without doubt: ISO 8601, dates of e-mails and HTTP, English names of months."""

import datetime
import email.utils
import re

EARLIEST = -62_135_596_800.0
"""The year 1, in unix seconds."""
LATEST = 253_402_300_799.0
"""The last second of the year 9999."""
CALENDAR_WIDTHS = {8: "YYYYMMDD", 10: "YYYYMMDDHH", 12: "YYYYMMDDHHMM", 14: "YYYYMMDDHHMMSS"}
FIRST_YEAR, LAST_YEAR = 1900, 2100
"""A number is taken for a date only in these years."""
ZONE_NAME = re.compile(r"\s*(UTC|GMT|Z)$")
DAY_WITH_SLASHES = re.compile(r"(\d{4})/(\d\d)/(\d\d)")
ENGLISH = re.compile(r"(?i)(mon|tue|wed|thu|fri|sat|sun|jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)")
MAIL_DATE = re.compile(r"([A-Za-z]{3}, )?\d{1,2} [A-Za-z]{3} \d{4} \d\d:\d\d(:\d\d)?( (GMT|UTC|[+-]\d{4}))?")
"""RFC 5322, as in e-mails and HTTP."""
ENGLISH_FORMATS = (
    "%a %b %d %H:%M:%S %z %Y",
    "%a %b %d %H:%M:%S %Y",
    "%b %d, %Y",
    "%B %d, %Y",
    "%b %d, %Y %H:%M:%S",
    "%b %d, %Y %I:%M:%S %p",
    "%d %b %Y",
    "%d %B %Y",
    "%d %b %Y %H:%M:%S",
    "%d-%b-%Y",
    "%d-%b-%Y %H:%M:%S",
)


def parse_moment(text: str) -> float:
    """Return the unix seconds of a text; without a zone it is UTC.

    Raises:
        ValueError: it is none of the known ways to write a time.

    Example:
        >>> parse_moment("1970-01-02T00:00:00Z"), parse_moment("1970-01-02 00:00:00 UTC"), parse_moment("Jan 2, 1970")
        (86400.0, 86400.0, 86400.0)
        >>> parse_moment("Fri, 02 Jan 1970 00:00:00 GMT"), parse_moment("Thu Jan 01 16:00:00 -0800 1970")
        (86400.0, 86400.0)
    """
    text = text.strip()
    if text.isascii() and text.isdecimal():
        raise ValueError(f"{text} is a number")
    iso = DAY_WITH_SLASHES.sub(r"\1-\2-\3", ZONE_NAME.sub("+00:00", text))
    try:
        return to_utc(datetime.datetime.fromisoformat(re.sub(r"\s+(?=[+-]\d\d:?\d\d$)", "", iso)))
    except ValueError:
        if not ENGLISH.search(text):
            raise
    return _parse_english(text)


def parse_calendar(digits: str) -> float | None:
    """Return the unix seconds of a date written as one number, None if it is no valid one.

    Example:
        >>> parse_calendar("19700102"), parse_calendar("1970010200"), parse_calendar("19701301")
        (86400.0, 86400.0, None)
    """
    if len(digits) not in CALENDAR_WIDTHS or not digits.isdecimal():
        return None
    year, rest = int(digits[:4]), [int(digits[place : place + 2]) for place in range(4, len(digits), 2)]
    if not FIRST_YEAR <= year < LAST_YEAR:
        return None
    month, day, hour, minute, second = (*rest, 0, 0, 0)[:5]
    try:
        return to_utc(datetime.datetime(year, month, day, hour, minute, second))
    except ValueError:
        return None


def parse_format(text: str, time_format: str) -> float:
    """Return the unix seconds of a text in a format of `strptime`; without a zone it is UTC.

    Raises:
        ValueError: the text does not have this format.

    Example:
        >>> parse_format("01/02/1970 12:00:00 AM", "%m/%d/%Y %I:%M:%S %p")
        86400.0
    """
    return to_utc(datetime.datetime.strptime(text.strip(), time_format))


def to_utc(moment: datetime.datetime) -> float:
    """Return unix seconds; a moment without a zone is UTC."""
    return (moment if moment.tzinfo else moment.replace(tzinfo=datetime.UTC)).timestamp()


def to_day(seconds: float) -> str:
    """Return the day of unix seconds for a message.

    Example:
        >>> to_day(0.0), to_day(1e18)
        ('1970-01-01', 'no year up to 9999')
    """
    if not EARLIEST <= seconds <= LATEST:
        return "no year up to 9999"
    return (datetime.datetime(1970, 1, 1) + datetime.timedelta(seconds=seconds)).date().isoformat()


def _parse_english(text: str) -> float:
    if MAIL_DATE.fullmatch(text):
        return to_utc(email.utils.parsedate_to_datetime(text))
    text = ZONE_NAME.sub("", text)
    for time_format in ENGLISH_FORMATS:
        try:
            return parse_format(text, time_format)
        except ValueError:
            continue
    raise ValueError(f"{text} is in no known way to write a time")
