"""RequestNotes: what the parts of the endpoint find out about a request, for its line in the log.

The notes of the request that a task answers are in a context variable, so the routes need not pass them on.
"""

import time
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any


@dataclass(slots=True)
class RequestNotes:
    """Notes of one request; filled while it is answered."""

    clock: Callable[[], float] = time.perf_counter
    started: float = 0.0
    """In seconds of the clock."""
    body_read: float | None = None
    """When the whole body had arrived."""
    body: bytes = b""
    """The body; written only if the log may hold it."""
    model_digest: str = ""
    catalog_version: int | None = None

    def __post_init__(self) -> None:
        self.started = self.clock()

    def note_body(self, body: bytes) -> None:
        """Note that the whole body has arrived."""
        self.body = body
        self.body_read = self.clock()

    def note_answer(self, answer: Any) -> None:
        """Note the model and the version of the catalogue that an answer of a deployment names."""
        self.model_digest = getattr(getattr(answer, "model", None), "digest", self.model_digest)
        self.catalog_version = getattr(answer, "catalog_version", self.catalog_version)


_notes: ContextVar[RequestNotes | None] = ContextVar("notes of the request", default=None)


def current_notes() -> RequestNotes:
    """Return the notes of the request that this task answers; outside of one, notes that nobody reads."""
    return _notes.get() or RequestNotes()


def begin_notes() -> RequestNotes:
    """Begin the notes of a request and return them."""
    notes = RequestNotes()
    _notes.set(notes)
    return notes
