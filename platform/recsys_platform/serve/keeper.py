"""CatalogKeeper: the one place where a served catalogue is edited, and which its replicas follow.

It checks an edit, writes it to disk, hands it to every replica that waits for news, and answers once all of them
have said that they answer with it. A replica that starts later asks for all edits before it takes requests.
Plain asyncio, tested without Ray; one event loop.
"""

import asyncio
import contextlib
import dataclasses
import time
import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from recsys_model.bundle import ENTITIES_FOLDER, TOKENIZER_FOLDER, load_settings
from recsys_model.entities.catalog import Catalog, EntityEncoder, load_catalog
from recsys_model.entities.edit_requests import EditProblem, resolve_edit, resolve_swap
from recsys_model.entities.live_catalog import CatalogEdit, CatalogUpdate, LiveCatalog, live_catalog
from recsys_model.entity_head.storage import load_head_config
from recsys_model.text.textualize import NUM_FRAME_TOKENS
from recsys_model.text.tokenizer import load_tokenizer
from recsys_platform.artifacts import open_artifact
from recsys_platform.serve.edit_log import EditLog, log_path
from recsys_platform.serve.item_schemas import EditAnswer, EditRequest, ItemsPage, ListedItem, NotKept, SwapRequest
from recsys_platform.serve.schemas import Problem, Rejection

POLL_S = 5.0
"""A replica that waits for news is sent away after this time and asks again."""
FORGET_S = 30.0
"""A replica that was not heard of for so long is taken for stopped."""
APPLY_TIMEOUT_S = 10.0
"""How long an edit waits for all replicas."""
UNKNOWN_VERSION = -1


@dataclass(slots=True)
class Follower:
    """A replica, as far as the keeper knows it."""

    version: int
    """Version that it answers with, `UNKNOWN_VERSION` if that is none of this log."""
    seen: float
    """When it was last heard of, seconds of the monotonic clock."""


Resolved = CatalogEdit | list[EditProblem]


class CatalogKeeper:
    """Holds the latest version of a catalogue and the edits that led to it."""

    def __init__(
        self,
        catalog: Catalog,
        encoder: EntityEncoder,
        max_tokens: int,
        log: EditLog,
        clock: Callable[[], float],
        fields: Sequence[str] = (),
    ) -> None:
        """Take up the edits of `log`; items may have up to `max_tokens` tokens, and `fields` make their vectors.

        Raises:
            CheckpointError: the log is damaged.
            DataError: the log is of another catalogue.
        """
        self._encoder = encoder
        self._max_tokens = max_tokens
        self._fields = fields
        self._log = log
        self._clock = clock
        self._edits = log.read()
        self._catalog = live_catalog(catalog).edited(self._edits)
        self._followers: dict[str, Follower] = {}
        self._writing = asyncio.Lock()
        self._making: set[asyncio.Task[EditAnswer | Rejection | NotKept]] = set()
        self._news = asyncio.Condition()

    async def edit(self, request: EditRequest) -> EditAnswer | Rejection | NotKept:
        """Add and remove items."""
        add = [item.to_new_item() for item in request.add]
        return await self._make(
            lambda now: resolve_edit(now, add, request.remove, self._encoder, self._max_tokens, self._fields)
        )

    async def swap(self, request: SwapRequest) -> EditAnswer | Rejection | NotKept:
        """Make the items of the request all that there are."""
        items = [item.to_new_item() for item in request.items]
        return await self._make(lambda now: resolve_swap(now, items, self._encoder, self._max_tokens, self._fields))

    async def update_from(self, follower: str, version: int, edit_id: str, wait: bool) -> CatalogUpdate:
        """Return the edits behind the version that a replica answers with; with `wait`, once there are any.

        No edits mean that there were none for a while: ask again. A replica may hold edits that this log does not, for
        it was lost or is an older copy; then it is told to begin anew.
        """
        is_known = version == 0 or (version <= len(self._edits) and self._edits[version - 1].edit_id == edit_id)
        known = self._followers[follower] = Follower(version if is_known else UNKNOWN_VERSION, self._clock())
        if not is_known:
            return CatalogUpdate(edits=list(self._edits), anew=True)
        async with self._news:
            self._news.notify_all()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(POLL_S if wait else 0.0):
                    await self._news.wait_for(lambda: self._catalog.version > version)
        known.seen = self._clock()
        return CatalogUpdate(edits=self._edits[version:])

    async def page(self, after: int | None, limit: int) -> ItemsPage:
        """Return up to `limit` items behind the catalogue index `after`, which stays where it is in later versions."""
        catalog = self._catalog
        rest = [index for index in catalog.present() if after is None or index > after]
        items = [catalog.items[index] for index in rest[:limit]]
        return ItemsPage(
            catalog_version=catalog.version,
            total=len(catalog),
            items=[ListedItem(id=item.item_id, title=item.title, text=item.text) for item in items],
            next_after=rest[limit - 1] if len(rest) > limit else None,
        )

    async def _make(self, resolve: Callable[[LiveCatalog], Resolved]) -> EditAnswer | Rejection | NotKept:
        """Make an edit to its end, also if whoever asked for it goes away in the middle."""
        task = asyncio.create_task(self._make_whole(resolve))
        self._making.add(task)
        task.add_done_callback(self._making.discard)
        return await asyncio.shield(task)

    async def _make_whole(self, resolve: Callable[[LiveCatalog], Resolved]) -> EditAnswer | Rejection | NotKept:
        """Make one edit after the other: check, write, tell, wait until it is followed."""
        async with self._writing:
            # in a thread: a catalogue of a million titles takes a while, and replicas go on asking
            edit = await asyncio.to_thread(resolve, self._catalog)
            if isinstance(edit, list):
                return Rejection(detail=[_problem(each) for each in edit])
            if edit.added or edit.removed:
                edit = dataclasses.replace(edit, edit_id=uuid.uuid4().hex)
                try:
                    catalog = await asyncio.to_thread(self._write, edit)
                except OSError as error:
                    return NotKept(detail=f"the edit cannot be kept and was not made: {error}")
                self._edits.append(edit)
                self._catalog = catalog
            version, num_items = self._catalog.version, len(self._catalog)
        await self._until_followed(version)
        followers = self._alive()
        num_behind = sum(follower.version < version for follower in followers)
        return EditAnswer(
            catalog_version=version,
            added=len(edit.added),
            removed=len(edit.removed),
            items=num_items,
            replicas=len(followers) - num_behind,
            pending=num_behind,
        )

    def _write(self, edit: CatalogEdit) -> LiveCatalog:
        catalog = self._catalog.edited([edit])
        self._log.append(edit)
        return catalog

    async def _until_followed(self, version: int) -> None:
        async with self._news:
            self._news.notify_all()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(APPLY_TIMEOUT_S):
                    await self._news.wait_for(lambda: all(each.version >= version for each in self._alive()))

    def _alive(self) -> list[Follower]:
        now = self._clock()
        self._followers = {name: each for name, each in self._followers.items() if now - each.seen < FORGET_S}
        return list(self._followers.values())


def load_keeper(bundle: Path, clock: Callable[[], float] = time.monotonic) -> CatalogKeeper:
    """Load catalogue and tokenizer of a bundle, and the edits that were made to it, without the model's weights.

    Raises:
        CheckpointError: the bundle or the log of its edits is damaged.
    """
    manifest = open_artifact(bundle, "bundle")
    # the longest item that a training text could have asked for: it stands there with a full stop
    max_tokens = load_settings(bundle).text.max_tokens - NUM_FRAME_TOKENS - 1
    tokenizer = load_tokenizer(bundle / TOKENIZER_FOLDER)
    head = bundle / ENTITIES_FOLDER
    fields = load_head_config(head).fields if head.is_dir() else ()
    log = EditLog(log_path(bundle, manifest.digest))
    return CatalogKeeper(load_catalog(bundle), tokenizer, max_tokens, log, clock, fields)


def _problem(problem: EditProblem) -> Problem:
    loc: Iterable[str | int] = ("body", *problem.where)
    return Problem(loc=list(loc), msg=problem.message, type=problem.kind)
