"""What an evaluation has answered so far, so that one whose driver dies goes on where it was.

One folder for each set of settings, `<parent>/<digest>/`, with a file of JSON lines for each kind of answers, appended
batch by batch. The digest covers all that the answers depend on, so answers of other settings, another checkpoint or
another dataset are never taken up. The model's answers lie in `evaluation.partial`, which is removed when the
evaluation is written; what trained baselines did lies in `baselines` and stays.
"""

import hashlib
import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from recsys_platform.json_lines import append_json_line, drop_unfinished_line, read_json_lines

AnsweredBatch = list[tuple[int, Any]]
"""(place among all cases, answer) of the cases of one batch."""


class AnswerLog:
    """The answers of one kind, batch by batch, in a file that is only ever appended to."""

    def __init__(
        self,
        path: Path,
        encode: Callable[[Any], Any] = lambda answer: answer,
        decode: Callable[[Any], Any] = lambda answer: answer,
    ) -> None:
        """Take the file, and how an answer becomes JSON and comes back."""
        self._path = path
        self._encode = encode
        self._decode = decode

    def read(self, num_batches: int) -> dict[int, AnsweredBatch]:
        """Return the batches that were answered whole; a last line that was cut off is taken away."""
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
    """The logs of one set of settings."""

    def __init__(self, parent: Path, depends_on: Mapping[str, object]) -> None:
        """Open, or begin, the logs in `parent` of answers that depend on these plain JSON values alone."""
        self._parent = parent
        self.folder = parent / digest_of(depends_on)
        """Where the logs lie, once there are any."""

    def log(
        self,
        name: str,
        encode: Callable[[Any], Any] = lambda answer: answer,
        decode: Callable[[Any], Any] = lambda answer: answer,
    ) -> AnswerLog:
        """Return the log of one kind of answers."""
        return AnswerLog(self.folder / f"{name}.jsonl", encode, decode)

    def remove(self) -> None:
        """Forget everything, also what other settings left behind."""
        if self._parent.exists():
            shutil.rmtree(self._parent)


def digest_of(depends_on: Mapping[str, object]) -> str:
    """Return 16 hexadecimal digits that tell these plain JSON values from others."""
    text = json.dumps(depends_on, sort_keys=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
