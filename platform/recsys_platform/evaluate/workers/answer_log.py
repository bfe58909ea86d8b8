"""Logs of finished answers, from which an interrupted evaluation resumes.

Each key has a folder `<parent>/<digest>/`, with one file of JSON lines per kind of answers, appended batch by batch.
The key is everything that the answers depend on, so answers for other settings, another checkpoint or another dataset
are never reused. The model's answers are in `evaluation.partial`, which is removed when the evaluation is written.
Results of trained baselines are in `baselines` and stay.
"""

import hashlib
import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from recsys_platform.json_lines import append_json_line, drop_unfinished_line, read_json_lines

AnsweredBatch = list[tuple[int, Any]]
"""Pairs of (index among all cases, answer) of one batch."""


class AnswerLog:
    """An append-only file with the answers of one kind, batch by batch."""

    def __init__(
        self,
        path: Path,
        encode: Callable[[Any], Any] = lambda answer: answer,
        decode: Callable[[Any], Any] = lambda answer: answer,
    ) -> None:
        """Open a log; `encode` turns an answer into JSON, `decode` does the reverse."""
        self._path = path
        self._encode = encode
        self._decode = decode

    def read(self, num_batches: int) -> dict[int, AnsweredBatch]:
        """Return the completely answered batches; an incomplete last line is removed from the file."""
        drop_unfinished_line(self._path)
        return {
            row["batch"]: [(place, self._decode(answer)) for place, answer in row["answers"]]
            for row in read_json_lines(self._path)
            if row["batch"] < num_batches
        }

    def add(self, batch: int, answered: AnsweredBatch) -> None:
        """Append the answers of a batch; they are on disk when this returns."""
        row = {"batch": batch, "answers": [(place, self._encode(answer)) for place, answer in answered]}
        append_json_line(self._path, row)


class AnswerLogs:
    """The logs of one key."""

    def __init__(self, parent: Path, depends_on: Mapping[str, object]) -> None:
        """Open the logs in `parent` for answers that depend only on these plain JSON values."""
        self._parent = parent
        self.folder = parent / digest_of(depends_on)
        """Folder of the logs; created with the first answer."""

    def log(
        self,
        name: str,
        encode: Callable[[Any], Any] = lambda answer: answer,
        decode: Callable[[Any], Any] = lambda answer: answer,
    ) -> AnswerLog:
        """Return the log of one kind of answers."""
        return AnswerLog(self.folder / f"{name}.jsonl", encode, decode)

    def remove(self) -> None:
        """Delete all logs in `parent`, including those of other keys."""
        if self._parent.exists():
            shutil.rmtree(self._parent)


def digest_of(depends_on: Mapping[str, object]) -> str:
    """Return a digest of plain JSON values, 16 hexadecimal digits."""
    text = json.dumps(depends_on, sort_keys=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
