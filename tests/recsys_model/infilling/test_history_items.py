"""What item targets see of their history, literally."""

import itertools
from dataclasses import dataclass

from recsys_model.infilling.history_items import find_history_items


@dataclass
class Items:
    part_a_len: int
    input_items: list[int]
    item_targets: list[int]


def found_in(*examples: Items) -> list[set[int]]:
    """The items of each target, once it is certain that none stands there twice."""
    history = find_history_items(examples)
    assert history.targets.tolist() == sorted(history.targets.tolist())
    sets = [set(history.items[start:stop].tolist()) for start, stop in itertools.pairwise(history.starts)]
    assert [len(each) for each in sets] == [history.targets.tolist().count(target) for target in range(len(sets))]
    return sets


def test_a_target_of_part_b_sees_the_items_of_part_a_and_those_in_front_of_it() -> None:
    example = Items(3, [4, 4, -1, -1, -1, 2, -1, 4, -1, 1], [-1, -1, -1, 2, -1, 4, -1, 9, -1, -1])
    assert found_in(example) == [{4}, {4, 2}, {4, 2}]


def test_the_item_that_a_target_carries_counts_and_a_target_can_be_a_repetition() -> None:
    assert found_in(Items(1, [-1, -1, 7, 7], [-1, 7, 7, 3])) == [set(), {7}, {7}]


def test_examples_do_not_see_each_other_and_one_without_targets_has_no_pairs() -> None:
    first = Items(1, [5, -1], [-1, 6])
    assert found_in(first, Items(2, [8, 9], [-1, -1]), Items(1, [-1, 3], [-1, 1])) == [{5}, {3}]
    assert found_in() == found_in(Items(2, [8, 9], [-1, -1])) == []
