"""Two years of events in the demo shop, drawn from the probabilities of `behaviour`.

Steps of one project follow each other within hours, sometimes days; another project begins weeks later.
"""

import itertools
import random
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from recsys_platform.demo.behaviour import STATE_CATEGORY_S, STATES, Shelves, build_start, build_transition
from recsys_platform.demo.customers import Customer
from recsys_platform.demo.titles import BRANDS

PERIOD_START = 1_672_531_200
"""2023-01-01 00:00 UTC, in unix seconds."""
PERIOD_DAYS = 730
"""All events lie in so many days after `PERIOD_START`."""
MIN_EVENTS, MAX_EVENTS = 20, 45
"""Events of one customer."""
CLICK_SHARE = 0.25
"""Share of the events whose action is `click`; the rest is `buy`."""
_DAY_S = 86_400


@dataclass(frozen=True, kw_only=True, slots=True)
class Event:
    """One event, with the hidden state that led to it."""

    item: int
    """Number of the item."""
    timestamp: int
    """Unix seconds, strictly increasing within a customer."""
    action: str
    """`buy` or `click`."""
    state: int
    """Index into `STATES`: the project and its step; not in the tables."""


def build_events(rng: random.Random, customer: Customer, shelves: Shelves) -> list[Event]:
    """Draw the whole history of one customer, oldest event first."""
    states = _draw_states(rng, rng.randint(MIN_EVENTS, MAX_EVENTS))
    items: list[int] = []
    for state in states:
        category = int(STATE_CATEGORY_S[state])
        chances_N = shelves.choices(category, items)[favourites(customer, shelves)]
        numbers = shelves.category_to_items[category].tolist()
        items.append(rng.choices(numbers, weights=chances_N.tolist())[0])
    actions = rng.choices(("click", "buy"), weights=(CLICK_SHARE, 1.0 - CLICK_SHARE), k=len(items))
    times = _draw_times(rng, states)
    return [
        Event(item=item, timestamp=time, action=action, state=state)
        for item, time, action, state in zip(items, times, actions, states, strict=True)
    ]


def favourites(customer: Customer, shelves: Shelves) -> tuple[int, int]:
    """Return the indices of the brand and the series that the customer likes."""
    return BRANDS.index(customer.favourite_brand), shelves.series.index(customer.favourite_series)


def _draw_states(rng: random.Random, num_events: int) -> list[int]:
    transition_SS, chances_S = build_transition(), build_start()
    states: list[int] = []
    for _ in range(num_events):
        states.append(rng.choices(range(len(STATES)), weights=chances_S.tolist())[0])
        chances_S = transition_SS[states[-1]]
    return states


def _draw_times(rng: random.Random, states: Sequence[int]) -> list[int]:
    """Draw gaps by whether the project changed, and place the whole history inside the period."""
    gaps = [_draw_gap(rng, before, after) for before, after in itertools.pairwise(states)]
    offsets = np.concatenate([[0.0], np.cumsum(gaps)])
    latest = PERIOD_DAYS * _DAY_S - 2 * len(states)
    offsets *= min(1.0, latest / max(offsets[-1], 1.0))
    start = rng.uniform(0.0, latest - offsets[-1])
    return [PERIOD_START + int(start + offset) + place for place, offset in enumerate(offsets)]


def _draw_gap(rng: random.Random, before: int, after: int) -> float:
    """Seconds between two events: hours or days within a project, weeks between two."""
    if STATES[before][0] != STATES[after][0]:
        return _DAY_S * (8.0 + rng.expovariate(1.0 / 35.0))
    if rng.random() < 0.75:
        return 120.0 + rng.expovariate(1.0 / 3600.0)
    return _DAY_S * rng.uniform(0.4, 2.0)
