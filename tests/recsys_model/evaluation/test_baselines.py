import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys_model.entity_head import pairs
from recsys_model.evaluation.baselines import CoOccurrence, Popularity, rank_by_keys, rank_targets
from recsys_model.evaluation.metrics import measure

NUM_ITEMS = 6
SEQUENCES = st.lists(st.lists(st.integers(0, NUM_ITEMS - 1), max_size=7), min_size=1, max_size=6)


def best_first(keys: np.ndarray) -> list[int]:
    return [int(item) for item in np.argsort(-keys)]


def popularity_of(sequences: list[list[int]]) -> list[int]:
    return [sum(sequence.count(item) for sequence in sequences) for item in range(NUM_ITEMS)]


def followers_of(sequences: list[list[int]], last: int, max_gap: int) -> list[int]:
    """Count, by three loops, how often each item came after `last`."""
    counts = [0] * NUM_ITEMS
    for sequence in sequences:
        for early, item in enumerate(sequence):
            for late in range(early + 1, len(sequence)):
                if item == last and late - early <= max_gap:
                    counts[sequence[late]] += 1
    return counts


def test_popularity_ranks_by_events_and_then_by_index():
    ranker = Popularity([[3, 1], [1, 4, 3], [5]], NUM_ITEMS)

    assert best_first(ranker.sort_keys([0])) == [1, 3, 4, 5, 0, 2]


def test_co_occurrence_ranks_what_came_later_and_then_by_popularity():
    sequences = [[0, 1, 2], [0, 2], [2, 0, 5], [4, 4, 4, 4]]
    ranker = CoOccurrence(sequences, NUM_ITEMS)

    # after 0 came 2 twice, 1 and 5 once each (both once in all: by index); then 4 (4 events), 0 (3 events), 3 (none)
    assert best_first(ranker.sort_keys([3, 0])) == [2, 1, 5, 4, 0, 3]
    # nothing ever came after 1 but 2
    assert best_first(ranker.sort_keys([1])) == [2, 4, 0, 1, 5, 3]


def test_co_occurrence_falls_back_to_popularity_without_history_or_followers():
    sequences = [[0, 1], [1, 3]]
    popular = [1, 0, 3, 2, 4, 5]

    assert best_first(CoOccurrence(sequences, NUM_ITEMS).sort_keys([])) == popular
    assert best_first(CoOccurrence(sequences, NUM_ITEMS).sort_keys([5])) == popular


@given(SEQUENCES, st.lists(st.integers(0, NUM_ITEMS - 1), max_size=3), st.integers(1, 7))
def test_co_occurrence_equals_three_loops_and_a_sort(sequences, history, max_gap):
    popularity = popularity_of(sequences)
    followers = followers_of(sequences, history[-1], max_gap) if history else [0] * NUM_ITEMS
    expected = sorted(range(NUM_ITEMS), key=lambda item: (-followers[item], -popularity[item], item))

    found = CoOccurrence(sequences, NUM_ITEMS, max_gap).sort_keys(history)

    assert best_first(found) == expected
    assert len(set(found.tolist())) == NUM_ITEMS


def test_counting_in_many_merges_gives_the_same_ranking(monkeypatch):
    generator = np.random.default_rng(0)
    sequences = [generator.integers(0, NUM_ITEMS, size=9).tolist() for _ in range(30)]
    at_once = CoOccurrence(sequences, NUM_ITEMS).sort_keys([2]).tolist()

    monkeypatch.setattr(pairs, "MERGE_AFTER_PAIRS", 10)

    assert CoOccurrence(sequences, NUM_ITEMS).sort_keys([2]).tolist() == at_once


@given(st.permutations(range(NUM_ITEMS)), st.integers(0, NUM_ITEMS - 1), st.sets(st.integers(0, NUM_ITEMS - 1)))
def test_rank_is_the_place_in_the_sorted_list_that_is_left(keys, target, excluded):
    left = [item for item in sorted(range(NUM_ITEMS), key=lambda item: -keys[item]) if item not in excluded]
    expected = left.index(target) + 1 if target in left else 0

    assert rank_by_keys(np.array(keys), target, excluded) == expected
    assert rank_by_keys(np.array(keys), target, [*excluded, *excluded]) == expected


def test_each_user_is_ranked_with_the_own_history_target_and_exclusions():
    ranker = CoOccurrence([[0, 1, 2], [0, 2], [2, 0, 5], [4, 4, 4, 4]], NUM_ITEMS)

    assert rank_targets(ranker, [[0], [1], []], [5, 1, 4]).tolist() == [3, 4, 1]
    assert rank_targets(ranker, [[0], [1], [4]], [5, 1, 4], [[2, 3], [4], [4]]).tolist() == [2, 3, 0]


def test_beauty_popularity_and_co_occurrence_have_the_figures_stated_in_the_module(shared_data):
    pq = pytest.importorskip("pyarrow.parquet")
    columns = ["user_idx", "item_idx", "position"]
    table = pq.read_table(shared_data / "amazon_beauty" / "interactions.parquet", columns=columns)
    table = table.sort_by([("user_idx", "ascending"), ("position", "ascending")])
    item = table["item_idx"].to_numpy() - 1
    starts = np.flatnonzero(np.diff(table["user_idx"].to_numpy(), prepend=-1))
    sequences = np.split(item, starts[1:])
    known, targets = [sequence[:-1] for sequence in sequences], [int(sequence[-1]) for sequence in sequences]

    found = {}
    for name, ranker in (("popularity", Popularity(known, 12_101)), ("co_occurrence", CoOccurrence(known, 12_101))):
        for excluded in (None, known):
            values = measure(rank_targets(ranker, known, targets, excluded), num_samples=1, seed=0)
            found[name, excluded is not None] = [round(values[key].value, 4) for key in ("hr_at_10", "ndcg_at_10")]

    assert len(sequences) == 22_363
    assert found == {
        ("popularity", False): [0.0114, 0.0054],
        ("popularity", True): [0.0135, 0.0061],
        ("co_occurrence", False): [0.0760, 0.0487],
        ("co_occurrence", True): [0.0779, 0.0506],
    }
