"""Read a list that a cell holds as text: a JSON array, the repr of a Python list or of a NumPy array."""

import ast
import io
import json
import re
import tokenize
from typing import Any

NUMPY_NUMBERS = re.compile(r"\[\s*-?[\d.]+([eE][+-]?\d+)?(\s+-?[\d.]+([eE][+-]?\d+)?)*\s*\]")
BRACKETS = {"[": "]", "{": "}"}


def parse_nested(text: str) -> list[Any] | dict[Any, Any] | None:
    """Return the list or object that a text holds, None for any other text.

    Raises:
        ValueError: it is a list of which a program left out the middle (`...`).

    Example:
        >>> parse_nested('["A|B", null]'), parse_nested("['Beauty', 'Hair Care']"), parse_nested("[sic] Tents")
        (['A|B', None], ['Beauty', 'Hair Care'], None)
        >>> parse_nested("['Beauty' 'Hair Care']"), parse_nested("[27  9]"), parse_nested("[Deluxe]")
        (['Beauty', 'Hair Care'], ['27', '9'], None)
    """
    text = text.strip()
    if not text or BRACKETS.get(text[0]) != text[-1]:
        return None
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = _parse_python(text)
    return value if isinstance(value, (list, dict)) else None


def _parse_python(text: str) -> Any:
    if NUMPY_NUMBERS.fullmatch(text):
        return text[1:-1].split()
    strings = _neighbouring_strings(text)
    if strings is not None:
        return strings
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return None


def _neighbouring_strings(text: str) -> list[str] | None:
    """Return the strings of a NumPy array, which has no commas: Python would join them to one."""
    try:
        tokens = [token for token in tokenize.generate_tokens(io.StringIO(text).readline) if token.string.strip()]
    except (tokenize.TokenError, SyntaxError):
        return None
    inner = tokens[1:-1]
    strings = [token.string for token in inner if token.type == tokenize.STRING]
    others = {token.string for token in inner if token.type != tokenize.STRING}
    if len(strings) < 2 or others - {"..."}:
        return None
    if others:
        raise ValueError("a program left out the middle of this list")
    return [ast.literal_eval(string) for string in strings]
