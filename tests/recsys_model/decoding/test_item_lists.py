"""Filters of requests over the item trie, against going through the items below a node one by one."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from recsys_model.decoding.item_lists import ItemLists
from recsys_model.entities.token_trie import build_token_trie

END = 9
SEQUENCES = [(1, 2), (1, 2, 3), (1, 4, 0), (5, 4), (5, 4, 3, 2, 1), (0,), (2, 2), (2, 3, 1)]
NUM_ITEMS = 10
"""Two of the catalogue's indices are not in the trie."""
INDICES = [0, 1, 3, 4, 5, 6, 8, 9]
TRIE = build_token_trie(SEQUENCES, END, INDICES)
ITEMS = st.sets(st.integers(0, NUM_ITEMS - 1))


def items_below(node: int) -> set[int]:
    return set(TRIE.items[TRIE.item_start[node] : TRIE.item_end[node]].tolist())


@given(st.lists(st.tuples(ITEMS, st.none() | ITEMS), min_size=1, max_size=3), st.lists(ITEMS, max_size=2))
def test_a_request_may_enter_a_node_if_an_item_below_is_left_for_it(requests, hidden):
    lists = ItemLists(TRIE, torch.device("cpu"), NUM_ITEMS)
    for items in hidden:
        lists = lists.hiding(items)
    found = lists.filter_of([without for without, _ in requests], [only for _, only in requests])
    pairs = [(request, node) for request in range(len(requests)) for node in range(TRIE.num_nodes)]
    request, node = torch.tensor(pairs).T
    expected = []
    for number, place in pairs:
        without, only = requests[number]
        allowed = set(range(NUM_ITEMS)) if only is None else only
        expected.append(bool(items_below(place) & (allowed - without).difference(*hidden)))
    assert found.has_item(request, node).tolist() == expected


def test_to_hide_items_leaves_the_lists_that_were_there_as_they_are():
    lists = ItemLists(TRIE, torch.device("cpu"), NUM_ITEMS)
    lists.hiding({0, 1, 3, 4, 5, 6, 8, 9})
    assert lists.filter_of([()]).has_item(torch.tensor([0]), torch.tensor([0])).tolist() == [True]
