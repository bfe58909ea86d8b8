"""A thread that keeps a replica's recommender at the latest version of the catalogue."""

import logging
import threading
from collections.abc import Callable, Sequence

from ray.exceptions import RayError
from ray.serve.exceptions import RayServeException

from recsys_model.entities.live_catalog import CatalogEdit
from recsys_model.errors import RecsysError
from recsys_platform.serve.recommender import Recommender

logger = logging.getLogger(__name__)

RETRY_S = 1.0

AskForEdits = Callable[[int, bool], Sequence[CatalogEdit]]
"""Takes the version that is answered with and whether to wait for news; returns the edits behind that version."""


class Following:
    """Asks for edits again and again; what goes wrong is logged and tried again, and requests are answered meanwhile."""

    def __init__(self, recommender: Recommender, ask: AskForEdits) -> None:
        self._recommender = recommender
        self._ask = ask
        self._is_current = threading.Event()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="catalogue edits", daemon=True)

    def start(self, timeout_s: float) -> None:
        """Begin, and return when the edits made so far are followed.

        Raises:
            RecsysError: they are not within `timeout_s`.
        """
        self._thread.start()
        if not self._is_current.wait(timeout_s):
            raise RecsysError(f"the edits of the catalogue could not be had within {timeout_s:g} s; see the log")

    def stop(self) -> None:
        """End the thread after the question that it has asked."""
        self._stopped.set()

    def _run(self) -> None:
        while not self._stopped.is_set():
            try:
                self._step()
            except (RayError, RayServeException, RecsysError, TimeoutError) as error:
                logger.warning("edits of the catalogue: %s: %s; trying again", type(error).__name__, error)
                self._stopped.wait(RETRY_S)

    def _step(self) -> None:
        edits = self._ask(self._recommender.catalog_version, self._is_current.is_set())
        if edits:
            self._recommender.follow(edits)
        self._is_current.set()
