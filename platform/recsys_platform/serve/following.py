"""A task of a replica's event loop that keeps its recommender at the latest version of the catalogue."""

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
"""Takes the version that is answered with, its last edit's id, and whether to wait for news."""


class Following:
    """Asks for edits again and again; what goes wrong is logged and tried again, and requests are answered meanwhile."""

    def __init__(self, recommender: Recommender, ask: AskForEdits) -> None:
        self._recommender = recommender
        self._ask = ask
        self._is_current = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def wait_until_current(self, timeout_s: float) -> None:
        """Return when the edits made before the first call are followed; that call begins to follow.

        Raises:
            RecsysError: they are not within `timeout_s`.
        """
        if self._task is None:
            self._task = asyncio.create_task(self._run())
        try:
            async with asyncio.timeout(timeout_s):
                await self._is_current.wait()
        except TimeoutError as error:
            raise RecsysError(
                f"the edits of the catalogue could not be had within {timeout_s:g} s; see the log"
            ) from error

    def stop(self) -> None:
        """Follow no longer."""
        if self._task is not None:
            self._task.cancel()

    async def _run(self) -> None:
        while True:
            try:
                await self._step()
            except (RayError, RayServeException, RecsysError, TimeoutError) as error:
                logger.warning("edits of the catalogue: %s: %s; trying again", type(error).__name__, error)
                await asyncio.sleep(RETRY_S)
            except Exception:
                # memory that ran out, say: a replica that followed no longer would go on with an old catalogue
                logger.exception("edits of the catalogue: trying again")
                await asyncio.sleep(RETRY_S)

    async def _step(self) -> None:
        recommender = self._recommender
        update = await self._ask(recommender.catalog_version, recommender.edit_id, self._is_current.is_set())
        if update.edits or update.anew:
            # in a thread: requests are collected and answered while the trie is compiled
            await asyncio.to_thread(recommender.follow, update)
        self._is_current.set()
