"""The keeper of a catalogue without Ray: its replicas are coroutines."""

import asyncio
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest

from recsys_model.entities.catalog import Catalog, CatalogItem
from recsys_model.entities.live_catalog import CatalogUpdate, live_catalog
from recsys_platform.serve import keeper as keeper_module
from recsys_platform.serve.edit_log import EditLog
from recsys_platform.serve.item_schemas import EditAnswer, EditNotWritten, EditRequest, ItemsPage, SwapRequest
from recsys_platform.serve.keeper import CatalogKeeper
from recsys_platform.serve.schemas import Rejection


class Letters:
    def encode_entity(self, text: str) -> list[int]:
        return [ord(letter) for letter in text]


def catalog(*titles: str) -> Catalog:
    return Catalog([CatalogItem(title.lower(), title, title, tuple(map(ord, title))) for title in titles], {})


SHOP = catalog("Comb", "Tent", "Hat")


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def make(tmp_path: Path, clock: Clock | None = None) -> CatalogKeeper:
    return CatalogKeeper(SHOP, Letters(), 12, EditLog(tmp_path / "log" / "edits.jsonl"), clock or Clock())


def edit(add: list[str] | None = None, remove: list[str] | None = None) -> EditRequest:
    items = [{"id": title.lower(), "title": title} for title in add or []]
    return EditRequest.model_validate({"add": items, "remove": remove or []})


class Replica:
    """Follows a keeper as a generator does."""

    def __init__(self, keeper: CatalogKeeper, name: str) -> None:
        self.keeper = keeper
        self._name = name
        self.catalog = live_catalog(SHOP)

    async def step(self, wait: bool = True) -> None:
        update = await self.keeper.update_from(self._name, self.catalog.version, self.catalog.edit_id, wait)
        self.catalog = (live_catalog(SHOP) if update.anew else self.catalog).edited(update.edits)

    async def run(self) -> None:
        while True:
            await self.step()

    def ids(self) -> set[str]:
        return {self.catalog.items[index].item_id for index in self.catalog.present()}


def run(main: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(main, 20))


def test_an_edit_is_answered_when_every_replica_has_it(tmp_path: Path):
    async def main() -> None:
        keeper = make(tmp_path)
        replicas = [Replica(keeper, "a"), Replica(keeper, "b")]
        for replica in replicas:
            await replica.step(wait=False)
        tasks = [asyncio.create_task(replica.run()) for replica in replicas]
        answer = await keeper.edit(edit(["Pole"], ["tent"]))
        assert answer == EditAnswer(catalog_version=1, added=1, removed=1, items=3, replicas=2, pending=0)
        assert [replica.ids() for replica in replicas] == [{"comb", "hat", "pole"}] * 2
        for task in tasks:
            task.cancel()

    run(main())


def test_a_replica_that_starts_later_gets_all_edits_at_once(tmp_path: Path):
    async def main() -> None:
        keeper = make(tmp_path)
        await keeper.edit(edit(["Pole"]))
        await keeper.edit(edit(remove=["comb"]))
        late = Replica(keeper, "late")
        await late.step(wait=False)
        assert (late.ids(), late.catalog.version) == ({"tent", "hat", "pole"}, 2)

    run(main())


def test_a_replica_that_hangs_is_reported_and_one_that_was_stopped_is_forgotten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(keeper_module, "APPLY_TIMEOUT_S", 0.1)

    async def main() -> None:
        clock = Clock()
        keeper = make(tmp_path, clock)
        await Replica(keeper, "hangs").step(wait=False)
        answer = await keeper.edit(edit(["Pole"]))
        assert isinstance(answer, EditAnswer)
        assert (answer.replicas, answer.pending) == (0, 1)
        clock.now = keeper_module.FORGET_S + 1
        answer = await keeper.edit(edit(["Rod"]))
        assert isinstance(answer, EditAnswer)
        assert (answer.replicas, answer.pending) == (0, 0)

    run(main())


def test_edits_outlive_the_keeper(tmp_path: Path):
    async def main() -> None:
        await make(tmp_path).edit(edit(["Pole"], ["comb"]))
        again = make(tmp_path)
        page = await again.page(None, 10)
        assert isinstance(page, ItemsPage)
        assert ([item.id for item in page.items], page.catalog_version) == (["tent", "hat", "pole"], 1)
        (made,) = (await again.update_from("late", 0, "", wait=False)).edits
        assert (made.removed, made.added) == (
            ("comb",),
            (CatalogItem("pole", "Pole", "Pole", tuple(map(ord, "Pole"))),),
        )

    run(main())


def test_what_is_wrong_is_named_and_changes_nothing(tmp_path: Path):
    async def main() -> None:
        keeper = make(tmp_path)
        answer = await keeper.edit(edit(["Hat", "A very long title"], ["nothing"]))
        assert isinstance(answer, Rejection)
        assert [(problem.loc, problem.type) for problem in answer.detail] == [
            (["body", "remove", 0], "unknown_item"),
            (["body", "add", 0, "id"], "duplicate_id"),
            (["body", "add", 1, "title"], "too_long"),
        ]
        assert await keeper.update_from("any", 0, "", wait=False) == CatalogUpdate(edits=[])
        assert not (tmp_path / "log").exists()

    run(main())


def test_an_edit_that_cannot_be_written_is_not_made(tmp_path: Path):
    async def main() -> None:
        (tmp_path / "log").write_text("a file where the folder of the log should be")
        keeper = CatalogKeeper(SHOP, Letters(), 12, EditLog(tmp_path / "log" / "edits.jsonl"), Clock())
        answer = await keeper.edit(edit(["Pole"]))
        assert isinstance(answer, EditNotWritten)
        assert await keeper.update_from("any", 0, "", wait=False) == CatalogUpdate(edits=[])

    run(main())


def test_edits_that_come_together_are_made_one_after_the_other(tmp_path: Path):
    async def main() -> None:
        keeper = make(tmp_path)
        answers = await asyncio.gather(*(keeper.edit(edit([f"Pole{number}"])) for number in range(5)))
        assert sorted(answer.catalog_version for answer in answers if isinstance(answer, EditAnswer)) == [1, 2, 3, 4, 5]
        twice = await asyncio.gather(keeper.edit(edit(["Rod"])), keeper.edit(edit(["Rod"])))
        assert sorted(type(answer).__name__ for answer in twice) == ["EditAnswer", "Rejection"]

    run(main())


def test_an_edit_whose_sender_goes_away_is_made_whole(tmp_path: Path):
    async def main() -> None:
        keeper = make(tmp_path)
        task = asyncio.create_task(keeper.edit(edit(["Pole"])))
        await asyncio.sleep(0)
        task.cancel()
        replica = Replica(keeper, "a")
        await replica.step()
        assert "pole" in replica.ids()

    run(main())


def test_a_swap_to_the_same_items_is_no_new_version(tmp_path: Path):
    async def main() -> None:
        keeper = make(tmp_path)
        items = [{"id": title.lower(), "title": title} for title in ("Hat", "Comb", "Tent")]
        answer = await keeper.swap(SwapRequest.model_validate({"items": items}))
        assert answer == EditAnswer(catalog_version=0, added=0, removed=0, items=3, replicas=0, pending=0)
        answer = await keeper.swap(SwapRequest.model_validate({"items": [*items[:1], {"id": "rod", "title": "Rod"}]}))
        assert answer == EditAnswer(catalog_version=1, added=1, removed=2, items=2, replicas=0, pending=0)

    run(main())


def test_the_catalogue_is_listed_page_by_page_while_it_is_edited(tmp_path: Path):
    async def main() -> None:
        keeper = make(tmp_path)
        first = await keeper.page(None, 2)
        assert ([item.id for item in first.items], first.total, first.next_after) == (["comb", "tent"], 3, 1)
        # the last item of the page is replaced by another one of its id, and one is added
        await keeper.edit(EditRequest.model_validate({"add": [{"id": "tent", "title": "Tarp"}], "remove": ["tent"]}))
        await keeper.edit(edit(["Pole"]))
        rest = await keeper.page(first.next_after, 2)
        assert ([item.title for item in rest.items], rest.next_after) == (["Hat", "Tarp"], 3)
        last = await keeper.page(rest.next_after, 2)
        assert ([item.title for item in last.items], last.next_after) == (["Pole"], None)

    run(main())


def test_a_replica_that_holds_edits_of_a_lost_log_begins_anew(tmp_path: Path):
    async def main() -> None:
        keeper = make(tmp_path)
        replica = Replica(keeper, "a")
        await keeper.edit(edit(["Pole"], ["comb"]))
        await keeper.edit(edit(["Rod"]))
        await replica.step(wait=False)
        (tmp_path / "log" / "edits.jsonl").unlink()

        keeper = make(tmp_path)
        replica.keeper = keeper
        await replica.step()
        assert (replica.ids(), replica.catalog.version) == ({"comb", "tent", "hat"}, 0)

    run(main())


@pytest.mark.parametrize("num_new", [1, 2, 3])
def test_a_replica_ahead_of_an_older_copy_of_the_log_is_not_counted_as_following(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, num_new: int
):
    monkeypatch.setattr(keeper_module, "APPLY_TIMEOUT_S", 0.1)

    async def main() -> None:
        keeper, path = make(tmp_path), tmp_path / "log" / "edits.jsonl"
        await keeper.edit(edit(["Pole"]))
        copy = path.read_bytes()
        await keeper.edit(edit(["Rod"]))
        await keeper.edit(edit(["Bag"]))
        replica = Replica(keeper, "a")
        await replica.step(wait=False)
        path.write_bytes(copy)

        keeper = make(tmp_path)
        for number in range(num_new):
            await keeper.edit(edit([f"Mat{number}"]))
        # as the replica would say it, without taking up the answer
        await keeper.update_from("a", replica.catalog.version, replica.catalog.edit_id, False)
        answer = await keeper.edit(edit(remove=["comb"]))
        assert isinstance(answer, EditAnswer)
        assert (answer.replicas, answer.pending) == (0, 1)
        replica.keeper = keeper
        await replica.step()
        assert replica.ids() == {"tent", "hat", "pole", *(f"mat{number}" for number in range(num_new))}

    run(main())
