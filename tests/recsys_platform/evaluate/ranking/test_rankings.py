"""Ranks of a baseline under every protocol against sorting by hand."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from recsys_model.evaluation.baselines import CoOccurrence, Popularity
from recsys_model.text.textualize import TokenizedText
from recsys_platform.evaluate.ranking.cases import Case
from recsys_platform.evaluate.ranking.rankings import Rankings, join, rank_with_baseline

ITEMS = st.integers(0, 7)


def case_of(number: int, history: list[int], target: int) -> Case:
    return Case(
        user_id=f"u{number}",
        text=TokenizedText(),
        history=tuple(history),
        target_item=target,
        seen_items=frozenset(history),
        own_items=frozenset([*history, target]),
    )


@given(
    st.lists(st.lists(ITEMS, max_size=6), max_size=6),
    st.lists(
        st.tuples(st.lists(ITEMS, min_size=1, max_size=4), ITEMS, st.sets(ITEMS, min_size=1)), min_size=1, max_size=4
    ),
    st.booleans(),
)
def test_all_protocols_follow_from_one_order_of_the_catalogue(sequences, drawn, exclude_seen):
    cases = [case_of(number, history, target) for number, (history, target, _) in enumerate(drawn)]
    candidates = [sorted({target, *others}) for _, target, others in drawn]
    for ranker in (Popularity(sequences, 8), CoOccurrence(sequences, 8)):
        found = rank_with_baseline("x", ranker, cases, {"sampled": candidates}, exclude_seen=exclude_seen)
        for place, case in enumerate(cases):
            keys = ranker.sort_keys(case.history)
            order = sorted(range(8), key=lambda item: -keys[item])
            allowed = [item for item in order if not (exclude_seen and item in case.seen_items)]
            expected = allowed.index(case.target_item) + 1 if case.target_item in allowed else 0
            assert found.ranks["catalogue"]["x"][place] == expected
            assert found.best["x"][place] == allowed[:10]
            among = [item for item in order if item in candidates[place]]
            assert found.ranks["sampled"]["x"][place] == among.index(case.target_item) + 1


def test_methods_are_joined_protocol_by_protocol():
    parts = [
        Rankings({"catalogue": {name: np.array([rank])}, "given": {name: np.array([1])}}, {name: [[rank]]})
        for rank, name in enumerate(("a", "b"), start=1)
    ]

    joined = join(parts)

    assert {name: list(methods) for name, methods in joined.ranks.items()} == {
        "catalogue": ["a", "b"],
        "given": ["a", "b"],
    }
    assert joined.best == {"a": [[1]], "b": [[2]]}
