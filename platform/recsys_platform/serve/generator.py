"""Generator: the model of one replica, its batches and the catalogue that it follows. Keeper: the deployment that edits.

Both wrap plain classes.
"""

import asyncio
import threading
import uuid
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ray.serve.handle import DeploymentHandle

from recsys_model.entities.live_catalog import CatalogUpdate
from recsys_platform.config.serve import ServeConfig
from recsys_platform.serve.batch_meter import BatchMeter
from recsys_platform.serve.batching import Batcher
from recsys_platform.serve.catalog_schemas import ItemDetails, ItemMatches, ServedModel
from recsys_platform.serve.item_schemas import EditAnswer, EditNotWritten, EditRequest, ItemsPage, SwapRequest
from recsys_platform.serve.ray_metrics import RayMeter
from recsys_platform.serve.schemas import Health, RecommendRequest, RecommendResponse, Rejection
from recsys_platform.serve.scoring_schemas import ExplainRequest, ExplainResponse, RankRequest, RankResponse

if TYPE_CHECKING:
    from recsys_platform.serve.catalog_follower import CatalogFollower

EDITS_TIMEOUT_S = 60.0
"""How long a starting replica waits for earlier edits."""


class Generator:
    """A copy of the model; it decodes requests that arrive while others are decoded as one batch."""

    def __init__(self, bundle: str, config: ServeConfig, keeper: DeploymentHandle | None = None) -> None:
        """Load the bundle and, if there is a `keeper`, follow its edits of the catalogue."""
        # late imports: the command imports this module and need not load torch
        import torch

        from recsys_platform.serve.recommender import load_recommender

        torch.set_num_threads(max(1, int(config.cpus_per_replica)))
        self._batches = BatchMeter(RayMeter())
        self._recommender = load_recommender(Path(bundle), device="cuda" if config.use_gpu else "cpu")
        self._batcher = Batcher(
            self._answer_together,
            max_batch_size=config.max_batch_size,
            max_waiting=config.max_queued_requests,
            wait_s=config.batch_wait_s,
        )
        self._others: Batcher[Callable[[], Any], Any] = Batcher(
            self._call, max_batch_size=1, max_waiting=config.max_queued_requests
        )
        self._model_lock = threading.Lock()
        """One thread at a time uses the model and its prefix cache."""
        self._follower = None if keeper is None else self._follow(keeper)

    async def recommend(self, request: RecommendRequest) -> RecommendResponse | Rejection:
        """Answer one request, in a batch with requests that wait at the same time.

        Raises:
            QueueFullError: `max_queued_requests` wait already.
        """
        with self._batches.waiting(request):
            return await self._batcher.ask(request)

    async def rank(self, request: RankRequest) -> RankResponse | Rejection:
        """Rank given candidates; errors as in `recommend`."""
        return await self._others.ask(partial(self._recommender.rank, request))

    async def explain(self, request: ExplainRequest) -> ExplainResponse | Rejection:
        """Explain the score of an item; errors as in `recommend`."""
        return await self._others.ask(partial(self._recommender.explain, request))

    async def item(self, item_id: str) -> ItemDetails | None:
        """Return an item of the catalogue, None if the id is unknown."""
        return self._recommender.item(item_id)

    async def search_items(self, title: str, limit: int) -> ItemMatches:
        """Return the items that a text means or resembles."""
        return await asyncio.to_thread(self._recommender.search_items, title, limit)

    async def describe_model(self) -> ServedModel:
        """Return the model, and what its requests may say."""
        return self._recommender.describe()

    async def ready(self) -> Health:
        """Return the same as `describe` if a request would be taken now.

        Raises:
            QueueFullError: `max_queued_requests` wait already.
        """
        self._batcher.check_room()
        return await self.describe()

    async def describe(self) -> Health:
        """Return the loaded model and the size and version of its catalogue."""
        recommender = self._recommender
        return Health(model=recommender.info, items=recommender.num_items, catalog_version=recommender.catalog_version)

    async def check_health(self) -> None:
        """Report healthy once all earlier edits are applied; Serve waits for this before the first request."""
        if self._follower is not None:
            await self._follower.wait_until_current(EDITS_TIMEOUT_S)
        self._batches.note_catalog(self._recommender.catalog_version)

    def _follow(self, keeper: DeploymentHandle) -> "CatalogFollower":
        from recsys_platform.serve.catalog_follower import CatalogFollower

        name = uuid.uuid4().hex

        async def ask(version: int, edit_id: str, wait: bool) -> CatalogUpdate:
            async with asyncio.timeout(EDITS_TIMEOUT_S):
                return await keeper.update_from.remote(name, version, edit_id, wait)

        return CatalogFollower(self._recommender, ask)

    def _answer_together(self, requests: list[RecommendRequest]) -> list[RecommendResponse | Rejection]:
        begun = self._batches.begin(requests)
        with self._model_lock:
            answers = self._recommender.recommend(requests)
        self._batches.end(requests, answers, begun)
        return answers

    def _call(self, calls: list[Callable[[], Any]]) -> list[Any]:
        with self._model_lock:
            return [call() for call in calls]


class Keeper:
    """The only replica that edits the catalogue; wraps `CatalogKeeper` (`keeper.py`)."""

    def __init__(self, bundle: str) -> None:
        from recsys_platform.serve.keeper import load_keeper

        self._keeper = load_keeper(Path(bundle))

    async def edit(self, request: EditRequest) -> EditAnswer | Rejection | EditNotWritten:
        """Add and remove items."""
        return await self._keeper.edit(request)

    async def swap(self, request: SwapRequest) -> EditAnswer | Rejection | EditNotWritten:
        """Replace the whole catalogue."""
        return await self._keeper.swap(request)

    async def page(self, after: int | None, limit: int) -> ItemsPage:
        """Return one page of the catalogue."""
        return await self._keeper.page(after, limit)

    async def update_from(self, replica: str, version: int, edit_id: str, wait: bool) -> CatalogUpdate:
        """Return the edits that a replica lacks."""
        return await self._keeper.update_from(replica, version, edit_id, wait)
