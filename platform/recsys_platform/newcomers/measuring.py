"""Asks a running endpoint before and after the new items are added, and takes the time until it shows them.

Everything goes over HTTP, by the same client as `recsys recommend` and `recsys items add`.
"""

import itertools
import logging
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from recsys_model.errors import RecsysError
from recsys_platform.newcomers.requests import Payload, Visit, Visits
from recsys_platform.progress import counted
from recsys_platform.serve.client import ask, edit_items, list_items

logger = logging.getLogger(__name__)

MAX_CLIENTS = 8
"""Requests that are under way at a time."""
TIMEOUT_S = 120.0
EDIT_TIMEOUT_S = 600.0
PATIENCE_S = 60.0
"""How long after the edit the first answer with a new item is waited for."""

ItemIdLists = list[list[str]]
"""Ids of the recommended items of each request, best first."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Timing:
    """How long it took until the items were recommended; seconds since their POST was sent."""

    all_replicas_s: float
    """Until the endpoint said that all its replicas recommend from the new catalogue."""
    first_shown_s: float | None
    """Until the first answer that holds a new item had come; None where none did in `PATIENCE_S` after the edit."""
    replicas: int
    """Replicas that recommended from the new catalogue when the edit was answered."""
    pending: int
    """Replicas that did not yet."""
    items: int
    """Items of the catalogue after the edit."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Measured:
    """What the endpoint answered; users in the order of the visits."""

    timing: Timing
    """Until new items were recommended."""
    before: ItemIdLists
    """Of the users whose next item is a new one, before the items came."""
    after: ItemIdLists
    """Of the same users, when all replicas had the items."""
    among_new: ItemIdLists
    """The same, with the new items as the only ones allowed."""
    others_before: ItemIdLists
    """Of the other users, before."""
    others_after: ItemIdLists
    """Of the other users, after."""


def measure(url: str, visits: Visits, items: Sequence[Mapping[str, Any]], num_clients: int = MAX_CLIENTS) -> Measured:
    """Ask for all users, add the items, and ask for all users again.

    Args:
        url: An endpoint whose catalogue can be edited and has none of the items.
        visits: The users.
        items: What POST /v1/items takes.
        num_clients: Requests that are under way at a time.

    Raises:
        DataError: the endpoint refuses a request or an item; what is wrong is named.
        RecsysError: the endpoint fails, or has one of the items already.
    """
    new_ids = {item["id"] for item in items}
    present = sorted(new_ids & {item["id"] for item in list_items(url, TIMEOUT_S)})
    if present:
        raise RecsysError(f"{url} has new items already, {present[0]!r} first; it serves another bundle or was edited")
    before = ask_all(url, visits.of_new, num_clients, "before, users of new items")
    others_before = ask_all(url, visits.others, num_clients, "before, other users")
    timing = add_and_watch(url, items, [visit.payload for visit in visits.of_new])
    allowed = {"allow": sorted(new_ids)}
    return Measured(
        timing=timing,
        before=before,
        after=ask_all(url, visits.of_new, num_clients, "after, users of new items"),
        among_new=ask_all(url, visits.of_new, num_clients, "among new items alone", allowed),
        others_before=others_before,
        others_after=ask_all(url, visits.others, num_clients, "after, other users"),
    )


def ask_all(
    url: str, visits: Sequence[Visit], num_clients: int, title: str, extra: Mapping[str, Any] | None = None
) -> ItemIdLists:
    """Return the recommended ids of each visit, `num_clients` requests at a time; `extra` is added to each payload."""

    def answer_of(visit: Visit) -> list[str]:
        return [item["id"] for item in ask(url, {**visit.payload, **(extra or {})}, TIMEOUT_S)["items"]]

    with ThreadPoolExecutor(num_clients) as pool:
        answers = pool.map(answer_of, visits)
        return list(counted(answers, title, len(visits), "users"))


def add_and_watch(url: str, items: Sequence[Mapping[str, Any]], probes: Sequence[Payload]) -> Timing:
    """Add the items in one request while another client asks with one probe after the other until it sees one of them.

    Raises:
        DataError: the endpoint refuses an item.
        RecsysError: the endpoint fails.
    """
    new_ids = {item["id"] for item in items}
    answered = threading.Event()
    started = time.monotonic()
    with ThreadPoolExecutor(1) as pool:
        watching = pool.submit(_first_shown, url, probes, new_ids, answered)
        try:
            answer = edit_items(url, items, timeout_s=EDIT_TIMEOUT_S)
            all_replicas_s = time.monotonic() - started
        finally:
            answered.set()
        shown_at = watching.result()
    return Timing(
        all_replicas_s=all_replicas_s,
        first_shown_s=None if shown_at is None else shown_at - started,
        replicas=answer["replicas"],
        pending=answer["pending"],
        items=answer["items"],
    )


def _first_shown(url: str, probes: Sequence[Payload], new_ids: set[str], answered: threading.Event) -> float | None:
    """Return when an answer with a new item had come; None once every probe was asked in vain after the edit."""
    deadline, num_left = None, len(probes)
    for payload in itertools.cycle(probes):
        is_after = answered.is_set()
        try:
            items = ask(url, payload, TIMEOUT_S)["items"]
        except RecsysError as error:
            logger.warning("a request during the edit failed: %s", error)
            items = []
        if not new_ids.isdisjoint(item["id"] for item in items):
            return time.monotonic()
        if is_after:
            deadline = deadline or time.monotonic() + PATIENCE_S
            num_left -= 1
            if num_left == 0 or time.monotonic() > deadline:
                return None
    return None
