from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys_model.errors import DataError
from recsys_platform.train.sampler import EpochOrder, count_batches, share_of_rank

GROUPS = st.lists(st.integers(0, 40), min_size=1, max_size=12).filter(any)


def batches_of(order: EpochOrder, lengths: np.ndarray, start: int = 0) -> list[list[int]]:
    """Return the row numbers of every batch of the chunks from `start` on."""
    return [
        chunk.rows[batch].tolist()
        for chunk in order.chunks(start)
        for batch in order.batches(chunk, lengths[chunk.rows])
    ]


@given(GROUPS, st.integers(1, 30), st.integers(1, 60))
def test_every_row_comes_once_and_only_the_fill_up_comes_twice(groups, global_batch_size, chunk_rows):
    num_rows = sum(groups)
    order = EpochOrder(groups, global_batch_size, (0, 0), chunk_rows)

    batches = batches_of(order, np.ones(num_rows, dtype=np.int64))

    assert [len(batch) for batch in batches] == [global_batch_size] * order.num_batches
    times = Counter(row for batch in batches for row in batch)
    assert sorted(times) == list(range(num_rows))
    repeated = sum(times.values()) - num_rows
    assert repeated == -num_rows % global_batch_size
    assert max(times.values()) - min(times.values()) <= 1


@given(GROUPS, st.integers(1, 10), st.integers(1, 60), st.data())
def test_starting_late_gives_the_rest_of_the_same_epoch(groups, global_batch_size, chunk_rows, data):
    lengths = np.arange(sum(groups)) % 7
    order = EpochOrder(groups, global_batch_size, (3, 1), chunk_rows)
    start = data.draw(st.integers(0, order.num_batches - 1))

    whole = batches_of(order, lengths)
    chunks = list(order.chunks(start))

    late = batches_of(order, lengths, start)
    assert late == whole[chunks[0].first_batch :]
    assert chunks[0].first_batch <= start < chunks[0].first_batch + len(chunks[0].rows) // global_batch_size


def test_a_chunk_holds_no_more_rows_than_asked_for_plus_one_row_group_and_the_left_over():
    order = EpochOrder([10] * 50, 7, (0, 0), chunk_rows=25)

    assert max(len(chunk.rows) for chunk in order.chunks()) <= 30 + 6


def test_seed_and_epoch_change_the_order():
    lengths = np.ones(60, dtype=np.int64)
    orders = [batches_of(EpochOrder([20, 20, 20], 6, key), lengths) for key in ((0, 0), (0, 0), (0, 1), (1, 0))]

    assert orders[0] == orders[1]
    assert orders[0] != orders[2]
    assert orders[0] != orders[3]


def test_rows_of_a_batch_are_of_similar_length():
    lengths = np.random.default_rng(0).integers(10, 100, size=640)
    order = EpochOrder([640], 20, (0, 0))

    widths = [int(np.ptp(lengths[batch])) for batch in batches_of(order, lengths)]

    # 640 rows sorted over 90 values: 20 neighbours are at most a few tokens apart; unsorted ones about 80
    assert max(widths) <= 10


def test_workers_and_micro_steps_share_a_batch_without_rest():
    batch = np.arange(100, 124)
    shares = [share_of_rank(batch, rank, 3, 4) for rank in range(3)]

    assert [[len(part) for part in parts] for parts in shares] == [[4, 4]] * 3
    assert sorted(row for parts in shares for part in parts for row in part) == list(range(100, 124))


def test_an_epoch_without_examples_is_refused():
    with pytest.raises(DataError, match="no training example"):
        count_batches(0, 4)
