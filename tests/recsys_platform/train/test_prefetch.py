import itertools
import threading

import pytest

from recsys_platform.train.prefetch import prefetched


def test_items_come_in_their_order_and_false_ones_too():
    assert list(prefetched(iter([0, None, 2, "", 4]), num_ahead=3)) == [0, None, 2, "", 4]


def test_the_next_items_are_made_by_another_thread_while_one_is_worked_on():
    made, second_is_made = [], threading.Event()

    def items():
        for number in itertools.count():
            made.append(threading.current_thread())
            if number == 1:
                second_is_made.set()
            yield number

    ahead = prefetched(items(), num_ahead=2)

    assert next(ahead) == 0
    assert second_is_made.wait(timeout=60), "nobody asked for the second item yet"
    assert threading.current_thread() not in made
    ahead.close()


def test_no_more_than_the_items_allowed_are_made_ahead():
    made = []
    ahead = prefetched((made.append(number) or number for number in range(100)), num_ahead=3)

    assert [next(ahead), next(ahead)] == [0, 1]
    ahead.close()
    assert len(made) <= 2 + 3


def test_an_error_comes_where_its_item_would_have_come():
    def items():
        yield 1
        raise ValueError("torn file")

    ahead = prefetched(items(), num_ahead=2)

    assert next(ahead) == 1
    with pytest.raises(ValueError, match="torn file"):
        next(ahead)
