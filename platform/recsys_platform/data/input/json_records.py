"""JSON as records: one object a line, also as Python literals, or a document with an array or indented objects."""

import ast
import json
from collections.abc import Iterator
from typing import Any

from recsys_model.errors import DataError
from recsys_platform.data.input.text_lines import Lines, MalformedLine

DECODER = json.JSONDecoder()
BETWEEN_OBJECTS = " \t\r\n,[]"


def iter_json(lines: Lines, where: str) -> Iterator[dict[str, Any] | MalformedLine]:
    """Yield the objects of a file; what is no object costs one row, blank lines are no rows.

    Args:
        lines: Of the file.
        where: The file, for messages.

    Raises:
        DataError: a document is broken; other than a line, it has no place to go on from.
    """
    first = _take_text(lines)
    if first is None:
        return
    second = _take_text(lines)
    lines.give_back([first] if second is None else [first, second])
    if is_document(first, second):
        yield from _iter_document(lines, where)
        return
    while (line := lines.take()) is not None:
        if line.strip():
            record = parse_object(line)
            yield MalformedLine(line.rstrip()) if record is None else record


def is_document(first: str, second: str | None) -> bool:
    """Whether the first two lines belong to one array or to an indented object.

    Example:
        >>> is_document('[{"a": 1},', '{"a": 2}]'), is_document('{', '"a": 1'), is_document('{"a": 1}', '{"a": 2}')
        (True, True, False)
        >>> is_document("[1]", "[2]"), is_document('{"a": 1,', '{"a": 2}')
        (False, False)
    """
    if not first.lstrip().startswith(("[", "{")):
        return False
    is_whole = _is_whole(first)
    if first.lstrip().startswith("["):
        return second is None or not is_whole
    return not is_whole and _is_cut(first) and (second is None or parse_object(second) is None)


def parse_object(line: str) -> dict[str, Any] | None:
    """Return the object that a line holds as JSON or as a Python literal, None where it is neither.

    Half a surrogate pair is no text either.

    Example:
        >>> parse_object("{'asin': u'B1', 'price': None}"), parse_object("{oops"), parse_object("[1]")
        ({'asin': 'B1', 'price': None}, None, None)
    """
    try:
        record = json.loads(line)
        if "\\u" in line:
            json.dumps(record, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        record = _parse_literal(line)
    return record if isinstance(record, dict) else None


def _parse_literal(line: str) -> Any:
    """Return the value of a Python literal; JSON of an object has no single quotes outside its texts."""
    text = line.strip()
    if not text.startswith("{") or "'" not in text:
        return None
    try:
        value = ast.literal_eval(text)
        json.dumps(value, ensure_ascii=False, default=str).encode()
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return None
    return value


def _iter_document(lines: Lines, where: str) -> Iterator[dict[str, Any] | MalformedLine]:
    """Yield the objects of an array, or indented objects one after the other."""
    text = ""
    while (more := lines.take()) is not None:
        text = (text + more).lstrip(BETWEEN_OBJECTS)
        place = 0
        while place < len(text):
            try:
                value, end = DECODER.raw_decode(text, place)
            except (ValueError, RecursionError) as error:
                if not _is_cut(text[place:]):
                    raise DataError(
                        f"{where}, line {lines.number}, is one JSON document that breaks here: {error}. Mend it, or write "
                        "one object a line, where a fault costs one row"
                    ) from error
                break
            is_record = isinstance(value, dict) and parse_object(text[place:end]) is not None
            yield value if is_record else MalformedLine(text[place:end])
            place = _skip(text, end)
        text = text[place:]
    if text:
        raise DataError(f"{where} is one JSON document that ends inside an object: {text[:200]!r}; write it again")


def _skip(text: str, place: int) -> int:
    while place < len(text) and text[place] in BETWEEN_OBJECTS:
        place += 1
    return place


def _is_whole(line: str) -> bool:
    try:
        json.loads(line)
    except (ValueError, RecursionError):
        return False
    return True


def _is_cut(text: str) -> bool:
    """Whether a text is the beginning of JSON; texts do not span lines."""
    try:
        DECODER.raw_decode(text.lstrip())
    except json.JSONDecodeError as error:
        return error.pos >= len(text.strip())
    except RecursionError:
        return False
    return True


def _take_text(lines: Lines) -> str | None:
    """Return the next line that is not blank."""
    line = lines.take()
    while line is not None and not line.strip():
        line = lines.take()
    return line
