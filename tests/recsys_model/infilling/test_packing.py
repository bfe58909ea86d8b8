from hypothesis import given
from hypothesis import strategies as st

from recsys_model.infilling.packing import fill_rows


def test_the_longest_go_first_each_into_the_emptiest_row():
    assert fill_rows([3, 7, 5, 4, 1], row_tokens=10) == [[1, 0], [2, 3, 4]]


def test_an_example_longer_than_a_row_widens_it_and_no_other_row_is_opened_for_it():
    assert fill_rows([12, 3, 4], row_tokens=8) == [[0], [2, 1]]


@given(st.lists(st.integers(1, 50), min_size=1, max_size=40), st.integers(1, 120))
def test_every_example_has_one_place_and_no_row_is_wider_than_allowed(lens, row_tokens):
    rows = fill_rows(lens, row_tokens)

    assert sorted(index for row in rows for index in row) == list(range(len(lens)))
    assert all(rows)
    assert max(sum(lens[index] for index in row) for row in rows) <= max(row_tokens, *lens)
