"""CatalogFollower: a background task of a replica that applies the edits of the catalogue."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from ray.exceptions import RayError
from ray.serve.exceptions import RayServeException

from recsys_model.entities.live_catalog import CatalogUpdate
from recsys_model.errors import RecsysError
from recsys_platform.serve.recommender import Recommender

logger = logging.getLogger(__name__)

RETRY_S = 1.0

AskForEdits = Callable[[int, str, bool], Awaitable[CatalogUpdate]]
"""Arguments: the replica's version, the id of its last edit, and whether to wait until there are newer edits."""


class CatalogFollower:
    """Polls for edits in a loop. Errors are logged and retried; the replica answers requests meanwhile."""

    def __init__(self, recommender: Recommender, ask: AskForEdits) -> None:
        self._recommender = recommender
        self._ask = ask
        self._is_current = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def wait_until_current(self, timeout_s: float) -> None:
        """Return when all edits made before the first call are applied; the first call starts the task.

        Raises:
            RecsysError: They are not applied within `timeout_s`.
        """
        if self._task is None:
            self._task = asyncio.create_task(self._run())
        try:
            async with asyncio.timeout(timeout_s):
                await self._is_current.wait()
        except TimeoutError as error:
            raise RecsysError(
                f"the edits of the catalogue did not arrive within {timeout_s:g} s; the replica's log has the reason"
            ) from error

    def stop(self) -> None:
        """Cancel the task."""
        if self._task is not None:
            self._task.cancel()

    async def _run(self) -> None:
        while True:
            try:
                await self._step()
            except (RayError, RayServeException, RecsysError, TimeoutError) as error:
                logger.warning("catalogue edits: %s: %s; retrying", type(error).__name__, error)
                await asyncio.sleep(RETRY_S)
            except Exception:
                # for example out of memory: without a retry, the replica would keep an old catalogue for ever
                logger.exception("catalogue edits: retrying")
                await asyncio.sleep(RETRY_S)

    async def _step(self) -> None:
        recommender = self._recommender
        update = await self._ask(recommender.catalog_version, recommender.edit_id, self._is_current.is_set())
        if update.edits or update.anew:
            # in a thread: compiling the trie must not block requests
            await asyncio.to_thread(recommender.follow, update)
        self._is_current.set()
