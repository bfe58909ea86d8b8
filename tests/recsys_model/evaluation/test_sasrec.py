"""SASRec as a model and as a ranker, against loops over single numbers."""

import math

import numpy as np
import pytest
import torch

from recsys_model.errors import ConfigError
from recsys_model.evaluation.sasrec import SASRec, SASRecConfig, SASRecRanker

NUM_ITEMS = 7


def small_model(**settings) -> SASRec:
    """Return a model whose weights are large enough that every part of it matters."""
    sizes = {"hidden_size": 4, "num_blocks": 2, "num_heads": 2, "max_history": 5} | settings
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = SASRec(NUM_ITEMS, SASRecConfig(**sizes))
        for weight in model.parameters():
            torch.nn.init.normal_(weight, std=0.7)
    return model.eval()


def normed(row: np.ndarray, weights: dict, name: str) -> np.ndarray:
    scaled = (row - row.mean()) / np.sqrt(row.var() + 1e-5)
    return scaled * weights[f"{name}.weight"] + weights[f"{name}.bias"]


def linear(row: np.ndarray, weights: dict, name: str) -> np.ndarray:
    return weights[f"{name}.weight"] @ row + weights[f"{name}.bias"]


def attended(states: list[np.ndarray], place: int, weights: dict, block: str, num_heads: int) -> np.ndarray:
    """Mix the values of all events up to `place`, head by head."""
    size = len(states[0])
    query = linear(normed(states[place], weights, f"{block}.query_norm"), weights, f"{block}.query")
    rows = [linear(state, weights, f"{block}.key_value") for state in states]
    mixed = []
    for part in np.split(np.arange(size), num_heads):
        scores = [query[part] @ rows[other][part] / math.sqrt(len(part)) for other in range(place + 1)]
        shares = np.exp(scores) / np.exp(scores).sum()
        mixed.append(sum(share * rows[other][size + part] for other, share in enumerate(shares)))
    return linear(np.concatenate(mixed), weights, f"{block}.mixed")


def slow_states(model: SASRec, history: list[int]) -> list[np.ndarray]:
    """Return the state after each event of one history."""
    weights = {name: weight.detach().double().numpy() for name, weight in model.named_parameters()}
    places = range(model.config.max_history - len(history), model.config.max_history)
    states = [
        math.sqrt(model.config.hidden_size) * weights["items.weight"][item] + weights["positions.weight"][place]
        for place, item in zip(places, history, strict=True)
    ]
    for number in range(model.config.num_blocks):
        block = f"blocks.{number}"
        mixed = [attended(states, place, weights, block, model.config.num_heads) for place in range(len(states))]
        states = [normed(state + row, weights, f"{block}.feed_norm") for state, row in zip(states, mixed, strict=True)]
        inner = [np.maximum(linear(state, weights, f"{block}.inner"), 0.0) for state in states]
        states = [state + linear(row, weights, f"{block}.outer") for state, row in zip(states, inner, strict=True)]
    return [normed(state, weights, "norm") for state in states]


@pytest.mark.parametrize(("num_blocks", "num_heads"), [(2, 2), (1, 1), (0, 1)])
def test_the_states_are_those_of_loops_over_single_events(num_blocks, num_heads):
    model = small_model(num_blocks=num_blocks, num_heads=num_heads)

    states = model(torch.tensor([[3, 0, 6, 3], [5, 2, 0, 0]]), torch.tensor([4, 2])).detach().numpy()

    np.testing.assert_allclose(states[0], slow_states(model, [3, 0, 6, 3]), atol=1e-4)
    np.testing.assert_allclose(states[1, :2], slow_states(model, [5, 2]), atol=1e-4)


def test_no_event_sees_a_later_one():
    model = small_model()

    one, other = model(torch.tensor([[3, 0, 6, 3, 1], [3, 0, 2, 5, 5]]), torch.tensor([5, 5]))

    assert torch.allclose(one[:2], other[:2], atol=1e-6)
    assert not torch.isclose(one[2:], other[2:], atol=1e-5).all(dim=1).any()


def test_without_blocks_only_the_last_item_counts():
    ranker = SASRecRanker(small_model(num_blocks=0))

    assert ranker.sort_keys([1, 2, 5]).tolist() == ranker.sort_keys([0, 5]).tolist()
    assert ranker.sort_keys([1, 2, 5]).tolist() != ranker.sort_keys([1, 2, 4]).tolist()


def test_the_ranker_orders_items_by_the_product_with_the_last_state_of_the_latest_events():
    model = small_model()
    history = [0, 1, 3, 0, 6, 3, 1]

    keys = SASRecRanker(model).sort_keys(history, user=3)

    scores = model.items.weight.detach().numpy() @ slow_states(model, history[-5:])[-1]
    assert keys.tolist() == np.argsort(np.argsort(scores)).tolist()
    assert keys.dtype == np.int64


def test_an_empty_history_makes_all_items_equal():
    assert SASRecRanker(small_model()).sort_keys([]).tolist() == [0] * NUM_ITEMS


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"hidden_size": 0}, "sasrec.hidden_size must be at least 1, got 0"),
        ({"num_blocks": -1}, "sasrec.num_blocks must not be negative, got -1"),
        ({"num_heads": 3}, "sasrec.num_heads must divide hidden_size 64, got 3"),
        ({"dropout": 1.0}, r"sasrec.dropout must be in \[0, 1\), got 1.0"),
        ({"learning_rate": 0.0}, "sasrec.learning_rate must be above 0, got 0.0"),
        ({"patience": 0}, "sasrec.patience must be at least 1, got 0"),
    ],
)
def test_settings_out_of_range_are_refused(settings, message):
    with pytest.raises(ConfigError, match=message):
        SASRecConfig(**settings)
