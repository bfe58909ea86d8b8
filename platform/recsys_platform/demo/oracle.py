"""What can be reached in the demo shop: predictors that know the generator's own probabilities.

They differ in what they are told besides the rules of the shop:
- *best*: the customer's true taste, the true state (project and step) and all earlier items. Nobody can do
  better without knowing when the next event happens.
- *short-term only*, *long-term only*: the true state without the taste, and the taste without the state.
- *observable*: the customer's features and history, as a model gets them; taste and state by Bayes' rule.

Shape suffixes: B = brands, C = categories, I = items, L = series, N = items of one category, S = states, U = users.
A taste is a table BL of the probabilities that this brand and this series are the favourites.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from recsys_platform.demo.behaviour import (
    STATE_CATEGORY_S,
    STATES,
    Shelves,
    build_start,
    build_transition,
    category_probabilities,
)
from recsys_platform.demo.customers import Customer, brand_prior, series_prior
from recsys_platform.demo.events import Event, favourites
from recsys_platform.demo.titles import BRANDS, CATEGORIES


@dataclass(frozen=True, slots=True)
class Shop:
    """Everything that the generator drew."""

    shelves: Shelves
    """The items and how they are chosen."""
    customers: Sequence[Customer]
    """The customers with their tastes."""
    histories: Sequence[Sequence[Event]]
    """Events of each customer, oldest first; the last one is to be predicted."""


def best_probabilities(shop: Shop, user: int) -> np.ndarray:
    """Return the true probability of each item to be the customer's last event, given all that came before it."""
    return _item_probabilities(shop, user, _next_categories(shop, user), _true_taste(shop, user))


def short_term_probabilities(shop: Shop, user: int) -> np.ndarray:
    """Return the probabilities for a predictor that knows the current project, but not the customer's taste."""
    num_tastes = len(BRANDS) * len(shop.shelves.series)
    taste_BL = np.full((len(BRANDS), len(shop.shelves.series)), 1.0 / num_tastes)
    return _item_probabilities(shop, user, _next_categories(shop, user), taste_BL)


def long_term_probabilities(shop: Shop, user: int) -> np.ndarray:
    """Return the probabilities for a predictor that knows the customer's taste, but not the current project."""
    states = [event.state for events in shop.histories for event in events[:-1]]
    share_C = category_probabilities(np.bincount(states, minlength=len(STATES)) / len(states))
    return _item_probabilities(shop, user, share_C, _true_taste(shop, user))


def observable_probabilities(shop: Shop, user: int) -> np.ndarray:
    """Return the probabilities for a predictor that knows only the customer's features and history."""
    return _item_probabilities(shop, user, _inferred_categories(shop, user), _inferred_taste(shop, user))


def ranking_metrics(probability_UI: np.ndarray, target_U: np.ndarray) -> dict[str, float]:
    """Return hit rates and NDCG of the last events when every customer's items are ranked by these probabilities."""
    order_UI = np.argsort(-probability_UI, axis=1, kind="stable")
    rank_U = (order_UI == target_U[:, None]).argmax(axis=1)
    gain_U = np.where(rank_U < 10, 1.0 / np.log2(rank_U + 2.0), 0.0)
    hits = {f"hr_at_{k}": float((rank_U < k).mean()) for k in (1, 5, 10)}
    return {**hits, "ndcg_at_10": float(gain_U.mean())}


def expected_metrics(probability_UI: np.ndarray) -> dict[str, float]:
    """Return what `ranking_metrics` is on average if these probabilities are the true ones."""
    top_UI = -np.sort(-probability_UI, axis=1)[:, :10]
    hits = {f"hr_at_{k}": float(top_UI[:, :k].sum(axis=1).mean()) for k in (1, 5, 10)}
    discount_I = 1.0 / np.log2(np.arange(top_UI.shape[1]) + 2.0)
    return {**hits, "ndcg_at_10": float((top_UI @ discount_I).mean())}


def _next_categories(shop: Shop, user: int) -> np.ndarray:
    state = shop.histories[user][-2].state
    return category_probabilities(build_transition()[state])


def _inferred_categories(shop: Shop, user: int) -> np.ndarray:
    """Follow the hidden state through the categories of the history (forward algorithm)."""
    state_S = build_start()
    for event in shop.histories[user][:-1]:
        category = CATEGORIES.index(shop.shelves.items[event.item].category)
        seen_S = np.where(category == STATE_CATEGORY_S, state_S, 0.0)
        state_S = (seen_S / seen_S.sum()) @ build_transition()
    return category_probabilities(state_S)


def _true_taste(shop: Shop, user: int) -> np.ndarray:
    taste_BL = np.zeros((len(BRANDS), len(shop.shelves.series)))
    taste_BL[favourites(shop.customers[user], shop.shelves)] = 1.0
    return taste_BL


def _inferred_taste(shop: Shop, user: int) -> np.ndarray:
    """Weigh every taste by the features and the history."""
    features, shelves = shop.customers[user].features, shop.shelves
    brand_B = np.array(list(brand_prior(features).values()))
    taste_BL = brand_B[:, None] * np.array(list(series_prior(shelves.series, features).values()))
    bought: list[int] = []
    for event in shop.histories[user][:-1]:
        category = CATEGORIES.index(shelves.items[event.item].category)
        is_chosen_N = shelves.category_to_items[category] == event.item
        taste_BL = taste_BL * shelves.choices(category, bought)[:, :, is_chosen_N][..., 0]
        bought.append(event.item)
    return taste_BL / taste_BL.sum()


def _item_probabilities(shop: Shop, user: int, chances_C: np.ndarray, taste_BL: np.ndarray) -> np.ndarray:
    """Combine the chances of each category and, within each, of each taste."""
    bought = {event.item for event in shop.histories[user][:-1]}
    probability_I = np.zeros(len(shop.shelves.items))
    for category in np.flatnonzero(chances_C).tolist():
        chances_N = np.einsum("bl,bln->n", taste_BL, shop.shelves.choices(category, bought))
        probability_I[shop.shelves.category_to_items[category]] = chances_C[category] * chances_N
    return probability_I
