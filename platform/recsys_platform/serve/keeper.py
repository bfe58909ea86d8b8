"""CatalogKeeper: the single writer of a served catalogue; the replicas replicate its edits.

An edit is validated, written to disk and sent to every replica that long-polls. It is answered when all replicas
have confirmed it. A replica that starts later fetches all edits before it takes requests.
Plain asyncio on one event loop, tested without Ray.
"""

import asyncio
import contextlib
import dataclasses
import time
import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from recsys_model.bundle import load_settings
from recsys_model.config.folders import ENTITIES_FOLDER, TOKENIZER_FOLDER
from recsys_model.entities.catalog import Catalog, EntityEncoder, load_catalog
from recsys_model.entities.edit_requests import EditProblem, resolve_edit, resolve_swap
from recsys_model.entities.item_columns import ItemColumns
from recsys_model.entities.live_catalog import CatalogEdit, CatalogUpdate, LiveCatalog, live_catalog
from recsys_model.entity_head.storage import load_head_config
from recsys_model.text.textualize import NUM_FRAME_TOKENS
from recsys_model.text.tokenizer import load_tokenizer
from recsys_platform.artifacts import open_artifact
from recsys_platform.item_columns_file import load_columns
from recsys_platform.serve.edit_log import EditLog, log_path
from recsys_platform.serve.item_schemas import (
    EditAnswer,
    EditNotWritten,
    EditRequest,
    ItemsPage,
    ListedItem,
    SwapRequest,
)
from recsys_platform.serve.schemas import Problem, Rejection

POLL_S = 5.0
"""Length of a long-poll: without new edits, a replica gets an empty update after this time and polls again."""
FORGET_S = 30.0
"""A replica that has not polled for this time counts as stopped."""
APPLY_TIMEOUT_S = 10.0
"""How long an edit waits for the confirmation of all replicas."""
UNKNOWN_VERSION = -1
"""Version of a replica with edits that are not in this log."""


@dataclass(slots=True)
class ReplicaState:
    """What a replica reported in its last poll."""

    version: int
    """Version with which it answers requests, or `UNKNOWN_VERSION`."""
    polled_at: float
    """Time of its last poll, in seconds of the keeper's clock."""


EditOrProblems = CatalogEdit | list[EditProblem]


class CatalogKeeper:
    """Holds the latest version of a catalogue and all edits since the bundle."""

    def __init__(
        self,
        catalog: Catalog,
        encoder: EntityEncoder,
        max_tokens: int,
        log: EditLog,
        clock: Callable[[], float],
        fields: Sequence[str] = (),
        columns: ItemColumns | None = None,
    ) -> None:
        """Apply the edits of `log` to the bundle's catalogue.

        Args:
            catalog: The catalogue of the bundle.
            encoder: Tokenizes the texts of new items.
            max_tokens: Maximum number of tokens of an item.
            log: The edit log of the bundle.
            clock: Returns seconds, monotonic.
            fields: Item fields whose tokens the entity head needs.
            columns: Columns of the bundle that rules may name.

        Raises:
            CheckpointError: The log is damaged.
            DataError: The log belongs to another catalogue.
        """
        self._encoder = encoder
        self._max_tokens = max_tokens
        self._fields = fields
        self._columns = columns
        self._log = log
        self._clock = clock
        self._edits = log.read()
        self._catalog = live_catalog(catalog).edited(self._edits)
        self._replicas: dict[str, ReplicaState] = {}
        self._write_lock = asyncio.Lock()
        self._tasks: set[asyncio.Task[EditAnswer | Rejection | EditNotWritten]] = set()
        self._changed = asyncio.Condition()
        """Notified when a new version exists and when a replica has polled."""

    async def edit(self, request: EditRequest) -> EditAnswer | Rejection | EditNotWritten:
        """Add and remove items."""
        add = [item.to_new_item() for item in request.add]
        return await self._apply(
            lambda catalog: resolve_edit(
                catalog, add, request.remove, self._encoder, self._max_tokens, self._fields, self._columns
            )
        )

    async def swap(self, request: SwapRequest) -> EditAnswer | Rejection | EditNotWritten:
        """Replace the whole catalogue by the items of the request."""
        items = [item.to_new_item() for item in request.items]
        return await self._apply(
            lambda catalog: resolve_swap(catalog, items, self._encoder, self._max_tokens, self._fields, self._columns)
        )

    async def update_from(self, replica: str, version: int, edit_id: str, wait: bool) -> CatalogUpdate:
        """Record the version of a replica and return the edits that it lacks.

        If the log was lost or restored from an older copy, a replica may have edits that are not in it. Then the
        update says `anew`, and the replica restarts from the bundle's catalogue.

        Args:
            replica: Random name of the replica.
            version: Version with which it answers requests.
            edit_id: Id of its last edit.
            wait: Wait for new edits up to `POLL_S`; without any, the update is empty.
        """
        is_in_log = version == 0 or (version <= len(self._edits) and self._edits[version - 1].edit_id == edit_id)
        state = self._replicas[replica] = ReplicaState(version if is_in_log else UNKNOWN_VERSION, self._clock())
        if not is_in_log:
            return CatalogUpdate(edits=list(self._edits), anew=True)
        async with self._changed:
            self._changed.notify_all()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(POLL_S if wait else 0.0):
                    await self._changed.wait_for(lambda: self._catalog.version > version)
        state.polled_at = self._clock()
        return CatalogUpdate(edits=self._edits[version:])

    async def page(self, after: int | None, limit: int) -> ItemsPage:
        """Return up to `limit` items after the catalogue index `after`; edits never change an item's index."""
        catalog = self._catalog
        remaining = [index for index in catalog.present() if after is None or index > after]
        items = [catalog.items[index] for index in remaining[:limit]]
        return ItemsPage(
            catalog_version=catalog.version,
            total=len(catalog),
            items=[ListedItem(id=item.item_id, title=item.title, text=item.text) for item in items],
            next_after=remaining[limit - 1] if len(remaining) > limit else None,
        )

    async def _apply(self, resolve: Callable[[LiveCatalog], EditOrProblems]) -> EditAnswer | Rejection | EditNotWritten:
        """Apply an edit in a task of its own, which completes even if the client disconnects."""
        task = asyncio.create_task(self._write_and_replicate(resolve))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return await asyncio.shield(task)

    async def _write_and_replicate(
        self, resolve: Callable[[LiveCatalog], EditOrProblems]
    ) -> EditAnswer | Rejection | EditNotWritten:
        """Validate and write one edit at a time, then wait for the replicas."""
        async with self._write_lock:
            # in a thread: a catalogue of a million titles takes a while, and replicas keep polling
            edit = await asyncio.to_thread(resolve, self._catalog)
            if isinstance(edit, list):
                return Rejection(detail=[_problem(each) for each in edit])
            if edit.added or edit.removed or edit.cells:
                edit = dataclasses.replace(edit, edit_id=uuid.uuid4().hex)
                try:
                    catalog = await asyncio.to_thread(self._write, edit)
                except OSError as error:
                    return EditNotWritten(detail=f"the edit cannot be written and was not made: {error}")
                self._edits.append(edit)
                self._catalog = catalog
            version, num_items = self._catalog.version, len(self._catalog)
        await self._wait_for_replicas(version)
        return self._answer(edit, version, num_items)

    def _answer(self, edit: CatalogEdit, version: int, num_items: int) -> EditAnswer:
        """Return the answer to an edit that is written; counts the replicas that have confirmed `version`."""
        replicas = self._live_replicas()
        num_behind = sum(replica.version < version for replica in replicas)
        return EditAnswer(
            catalog_version=version,
            added=len(edit.added),
            removed=len(edit.removed),
            items=num_items,
            replicas=len(replicas) - num_behind,
            pending=num_behind,
        )

    def _write(self, edit: CatalogEdit) -> LiveCatalog:
        catalog = self._catalog.edited([edit])
        self._log.append(edit)
        return catalog

    async def _wait_for_replicas(self, version: int) -> None:
        async with self._changed:
            self._changed.notify_all()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(APPLY_TIMEOUT_S):
                    await self._changed.wait_for(
                        lambda: all(replica.version >= version for replica in self._live_replicas())
                    )

    def _live_replicas(self) -> list[ReplicaState]:
        now = self._clock()
        self._replicas = {name: each for name, each in self._replicas.items() if now - each.polled_at < FORGET_S}
        return list(self._replicas.values())


def load_keeper(bundle: Path, clock: Callable[[], float] = time.monotonic) -> CatalogKeeper:
    """Load catalogue, tokenizer and edit log of a bundle, without the model's weights.

    Raises:
        CheckpointError: The bundle or its edit log is damaged.
    """
    manifest = open_artifact(bundle, "bundle")
    # the longest item that fits a training text; a full stop follows it there
    max_tokens = load_settings(bundle).text.max_tokens - NUM_FRAME_TOKENS - 1
    tokenizer = load_tokenizer(bundle / TOKENIZER_FOLDER)
    head = bundle / ENTITIES_FOLDER
    fields = load_head_config(head).fields if head.is_dir() else ()
    log = EditLog(log_path(bundle, manifest.digest))
    catalog = load_catalog(bundle)
    columns = load_columns(bundle, len(catalog.items))
    return CatalogKeeper(catalog, tokenizer, max_tokens, log, clock, fields, columns)


def _problem(problem: EditProblem) -> Problem:
    loc: Iterable[str | int] = ("body", *problem.where)
    return Problem(loc=list(loc), msg=problem.message, type=problem.kind)
