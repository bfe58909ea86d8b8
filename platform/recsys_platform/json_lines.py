"""Files of JSON lines that are only appended to: a crash loses at most the line that was being written.

A line counts once its line break is on disk. A last line without one was cut off by a crash; readers leave it out.
"""

import json
import os
from pathlib import Path
from typing import Any


def read_whole_lines(path: Path) -> list[bytes]:
    """Return the lines of a file that were written to their end; none where the file is missing."""
    if not path.is_file():
        return []
    content = path.read_bytes()
    return content[: content.rfind(b"\n") + 1].splitlines()


def read_json_lines(path: Path) -> list[dict[str, Any]]:
    """Return the objects of a file that were written to their end; none where the file is missing.

    Raises:
        ValueError: a line is no JSON.
    """
    return [json.loads(line) for line in read_whole_lines(path)]


def read_latest_json_lines(path: Path, max_bytes: int = 65_536) -> list[dict[str, Any]]:
    """Return the objects that lie wholly in the last `max_bytes` of a file, without one that is not finished yet.

    Raises:
        ValueError: a line is no JSON.
    """
    if not path.is_file():
        return []
    with path.open("rb") as file:
        start = max(file.seek(0, os.SEEK_END) - max_bytes, 0)
        file.seek(start)
        content = file.read()
    # the first line may have begun before
    begin = content.find(b"\n") + 1 if start else 0
    return [json.loads(line) for line in content[begin : content.rfind(b"\n") + 1].splitlines()]


def drop_unfinished_line(path: Path) -> int:
    """Cut a last line that has no end off the file, so that it can be appended to; return its number of bytes."""
    if not path.is_file():
        return 0
    content = path.read_bytes()
    size = content.rfind(b"\n") + 1
    if size < len(content):
        os.truncate(path, size)
    return len(content) - size


def append_json_line(path: Path, value: dict[str, Any]) -> None:
    """Append an object; it is on disk when this returns. Makes the file, and the folder that it is in, where they are missing.

    Raises:
        OSError: it cannot be written; the file is as before.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    unwritten = memoryview((json.dumps(value, ensure_ascii=False) + "\n").encode())
    # unbuffered: a buffer would be written when the file is closed, behind the place where it was cut
    with path.open("ab", buffering=0) as file:
        size = file.tell()
        try:
            while unwritten:
                unwritten = unwritten[file.write(unwritten) :]
            os.fsync(file.fileno())
        except OSError:
            os.truncate(path, size)
            raise
