"""Generator and Keeper: the Ray Serve deployments behind the ingress. They wrap plain classes."""

import asyncio
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

from ray import serve
from ray.serve.handle import DeploymentHandle

from recsys_model.entities.live_catalog import CatalogUpdate
from recsys_platform.config.stages import ServeConfig
from recsys_platform.serve.catalog_schemas import ItemDetails, ItemMatches, ServedModel
from recsys_platform.serve.item_schemas import EditAnswer, EditNotWritten, EditRequest, ItemsPage, SwapRequest
from recsys_platform.serve.schemas import Health, RecommendRequest, RecommendResponse, Rejection
from recsys_platform.serve.scoring_schemas import ExplainRequest, ExplainResponse, RankRequest, RankResponse

if TYPE_CHECKING:
    from recsys_platform.serve.catalog_follower import CatalogFollower

EDITS_TIMEOUT_S = 60.0
"""How long a starting replica waits for earlier edits."""


class Generator:
    """A replica with its own copy of the model; it decodes requests that arrive together as one batch."""

    def __init__(self, bundle: str, config: ServeConfig, keeper: DeploymentHandle | None = None) -> None:
        """Load the bundle and, if there is a `keeper`, follow its edits of the catalogue."""
        # late imports: the ingress imports this module and must not load torch
        import torch

        from recsys_platform.serve.recommender import load_recommender

        torch.set_num_threads(max(1, int(config.cpus_per_replica)))
        self._recommender = load_recommender(Path(bundle), device="cuda" if config.use_gpu else "cpu")
        batched = serve.batch(max_batch_size=config.max_batch_size, batch_wait_timeout_s=config.batch_wait_s)
        self._answer = batched(self._answer_together)
        # one thread at a time uses the model and its prefix cache
        self._model_lock = asyncio.Lock()
        self._follower = None if keeper is None else self._follow(keeper)

    async def recommend(self, request: RecommendRequest) -> RecommendResponse | Rejection:
        """Answer one request, in a batch with requests that arrive at the same time."""
        return await self._answer(request)

    async def rank(self, request: RankRequest) -> RankResponse | Rejection:
        """Rank given candidates."""
        async with self._model_lock:
            return await asyncio.to_thread(self._recommender.rank, request)

    async def explain(self, request: ExplainRequest) -> ExplainResponse | Rejection:
        """Explain the score of an item."""
        async with self._model_lock:
            return await asyncio.to_thread(self._recommender.explain, request)

    async def item(self, item_id: str) -> ItemDetails | None:
        """Return an item of the catalogue, None if the id is unknown."""
        return self._recommender.item(item_id)

    async def search_items(self, title: str, limit: int) -> ItemMatches:
        """Return the items that a text means or resembles."""
        return await asyncio.to_thread(self._recommender.search_items, title, limit)

    async def describe_model(self) -> ServedModel:
        """Return the model, and what its requests may say."""
        return self._recommender.describe()

    async def describe(self) -> Health:
        """Return the loaded model and the size and version of its catalogue."""
        recommender = self._recommender
        return Health(model=recommender.info, items=recommender.num_items, catalog_version=recommender.catalog_version)

    async def check_health(self) -> None:
        """Report healthy once all earlier edits are applied; Serve waits for this before the first request."""
        if self._follower is not None:
            await self._follower.wait_until_current(EDITS_TIMEOUT_S)

    def _follow(self, keeper: DeploymentHandle) -> "CatalogFollower":
        from recsys_platform.serve.catalog_follower import CatalogFollower

        name = uuid.uuid4().hex

        async def ask(version: int, edit_id: str, wait: bool) -> CatalogUpdate:
            async with asyncio.timeout(EDITS_TIMEOUT_S):
                return await keeper.update_from.remote(name, version, edit_id, wait)

        return CatalogFollower(self._recommender, ask)

    async def _answer_together(self, requests: list[RecommendRequest]) -> list[RecommendResponse | Rejection]:
        # in a thread: the event loop collects the next batch meanwhile
        async with self._model_lock:
            return await asyncio.to_thread(self._recommender.recommend, requests)


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
