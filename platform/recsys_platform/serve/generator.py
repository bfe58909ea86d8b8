"""Generator and Keeper: the deployments behind the ingress."""

import asyncio
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

from ray import serve
from ray.serve.handle import DeploymentHandle

from recsys_model.entities.live_catalog import CatalogUpdate
from recsys_platform.config.stages import ServeConfig
from recsys_platform.serve.item_schemas import EditAnswer, EditRequest, ItemsPage, NotKept, SwapRequest
from recsys_platform.serve.schemas import Health, RecommendRequest, RecommendResponse, Rejection

if TYPE_CHECKING:
    from recsys_platform.serve.following import Following

EDITS_TIMEOUT_S = 60.0
"""How long a replica that starts waits for the edits made so far."""


class Generator:
    """A replica with its own copy of the model; requests that arrive together are decoded together."""

    def __init__(self, bundle: str, config: ServeConfig, keeper: DeploymentHandle | None = None) -> None:
        """Load the bundle and, where there is a `keeper`, follow the edits of the catalogue from now on."""
        # imported here so that the ingress, which imports this module, does not hold torch in memory.
        import torch

        from recsys_platform.serve.recommender import load_recommender

        torch.set_num_threads(max(1, int(config.cpus_per_replica)))
        self._recommender = load_recommender(Path(bundle), device="cuda" if config.use_gpu else "cpu")
        batched = serve.batch(max_batch_size=config.max_batch_size, batch_wait_timeout_s=config.batch_wait_s)
        self._answer = batched(self._answer_together)
        self._following = None if keeper is None else self._follow(keeper)

    async def recommend(self, request: RecommendRequest) -> RecommendResponse | Rejection:
        """Answer one request, in a batch with those that arrive at the same time."""
        return await self._answer(request)

    async def describe(self) -> Health:
        """Say which model stands ready."""
        recommender = self._recommender
        return Health(model=recommender.info, items=recommender.num_items, catalog_version=recommender.catalog_version)

    async def check_health(self) -> None:
        """Be healthy once the edits made so far are followed; Serve asks before it hands the first request over."""
        if self._following is not None:
            await self._following.wait_until_current(EDITS_TIMEOUT_S)

    def _follow(self, keeper: DeploymentHandle) -> "Following":
        from recsys_platform.serve.following import Following

        name = uuid.uuid4().hex

        async def ask(version: int, edit_id: str, wait: bool) -> CatalogUpdate:
            async with asyncio.timeout(EDITS_TIMEOUT_S):
                return await keeper.update_from.remote(name, version, edit_id, wait)

        return Following(self._recommender, ask)

    async def _answer_together(self, requests: list[RecommendRequest]) -> list[RecommendResponse | Rejection]:
        # in a thread: the event loop goes on collecting the next batch.
        return await asyncio.to_thread(self._recommender.recommend, requests)


class Keeper:
    """The one replica that edits the catalogue; see `keeper.py`."""

    def __init__(self, bundle: str) -> None:
        from recsys_platform.serve.keeper import load_keeper

        self._keeper = load_keeper(Path(bundle))

    async def edit(self, request: EditRequest) -> EditAnswer | Rejection | NotKept:
        """Add and remove items."""
        return await self._keeper.edit(request)

    async def swap(self, request: SwapRequest) -> EditAnswer | Rejection | NotKept:
        """Make the items of the request all that there are."""
        return await self._keeper.swap(request)

    async def page(self, after: int | None, limit: int) -> ItemsPage:
        """Return a part of the catalogue."""
        return await self._keeper.page(after, limit)

    async def update_from(self, follower: str, version: int, edit_id: str, wait: bool) -> CatalogUpdate:
        """Return the edits that a replica does not have yet."""
        return await self._keeper.update_from(follower, version, edit_id, wait)
