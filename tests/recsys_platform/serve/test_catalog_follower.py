"""The task of a replica that follows the edits of its catalogue; the keeper here is a queue."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from recsys_model.bundle import Bundle
from recsys_model.entities.live_catalog import CatalogEdit, CatalogUpdate
from recsys_model.errors import RecsysError
from recsys_platform.serve import catalog_follower
from recsys_platform.serve.catalog_follower import CatalogFollower
from recsys_platform.serve.recommender import Recommender
from recsys_platform.serve.schemas import ModelInfo

INFO = ModelInfo(name="shop", digest="d" * 64, version="0", created="2024-01-01T00:00:00+00:00")


class Keeper:
    """Answers from a queue; an exception in it is raised."""

    def __init__(self, *answers: CatalogUpdate | Exception) -> None:
        self.answers: asyncio.Queue[CatalogUpdate | Exception] = asyncio.Queue()
        self.calls: list[tuple[int, str, bool]] = []
        self.is_empty = asyncio.Event()
        for answer in answers:
            self.answers.put_nowait(answer)

    async def ask(self, version: int, edit_id: str, wait: bool) -> CatalogUpdate:
        self.calls.append((version, edit_id, wait))
        if self.answers.empty():
            self.is_empty.set()
        answer = await self.answers.get()
        if isinstance(answer, Exception):
            raise answer
        return answer


def update(*removed: str, anew: bool = False) -> CatalogUpdate:
    edits = [CatalogEdit(removed=(item_id,), edit_id=f"-{item_id}") for item_id in removed]
    return CatalogUpdate(edits=edits, anew=anew)


@pytest.fixture
def recommender(shop_bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> Recommender:
    monkeypatch.setattr(catalog_follower, "RETRY_S", 0.01)
    return Recommender(shop_bundle, INFO)


def run(main: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(main, 120))


def test_a_replica_starts_with_all_edits_and_goes_on_to_follow(recommender: Recommender):
    async def main() -> None:
        keeper = Keeper(update("i1", "i2"))
        follower = CatalogFollower(recommender, keeper.ask)
        await follower.wait_until_current(60)
        assert (recommender.catalog_version, recommender.num_items) == (2, 6)
        await keeper.is_empty.wait()
        keeper.is_empty.clear()
        keeper.answers.put_nowait(update("i3"))
        await keeper.is_empty.wait()
        assert keeper.calls == [(0, "", False), (2, "-i2", True), (3, "-i3", True)]
        await follower.wait_until_current(60)
        follower.stop()

    run(main())


def test_a_lost_keeper_and_whatever_goes_wrong_with_an_edit_are_tried_again(recommender: Recommender):
    async def main() -> None:
        keeper = Keeper(TimeoutError("lost"), update("nothing"), MemoryError(), RuntimeError("?"), update("i1"))
        follower = CatalogFollower(recommender, keeper.ask)
        await follower.wait_until_current(60)
        assert keeper.calls[:5] == [(0, "", False)] * 5
        assert recommender.num_items == 7
        follower.stop()

    run(main())


def test_a_replica_without_the_edits_does_not_get_ready(recommender: Recommender):
    async def main() -> None:
        follower = CatalogFollower(recommender, Keeper(*[TimeoutError("lost")] * 1000).ask)
        with pytest.raises(RecsysError, match=r"did not arrive within 0\.2 s"):
            await follower.wait_until_current(0.2)
        follower.stop()

    run(main())


def test_a_replica_that_must_restart_drops_its_edits(recommender: Recommender):
    async def main() -> None:
        keeper = Keeper(update("i1", "i2"), update(anew=True), update("i3"))
        follower = CatalogFollower(recommender, keeper.ask)
        await follower.wait_until_current(60)
        await keeper.is_empty.wait()
        assert [version for version, _, _ in keeper.calls] == [0, 2, 0, 1]
        assert (recommender.catalog_version, recommender.num_items) == (1, 7)
        follower.stop()

    run(main())
