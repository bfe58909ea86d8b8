import pytest

from recsys_model.errors import DataError
from recsys_platform.splits import DatasetSplit, split_of

CUT = DatasetSplit(kind="temporal", valid_from=30.0, test_from=50.0)


@pytest.mark.parametrize(
    ("times", "num_training", "valid", "test"),
    [
        ([10.0, 20.0, 30.0, 40.0, 50.0, 60.0], 2, 2, 4),
        ([10.0, 50.0], 1, None, 1),
        ([30.0, 49.0, 51.0], 0, None, 2),
        ([60.0, 70.0], 0, None, None),
        ([10.0, 20.0], 2, None, None),
    ],
)
def test_a_temporal_split_asks_for_the_first_event_of_each_period_that_has_one_before(times, num_training, valid, test):
    assert CUT.num_training(times) == num_training
    assert (CUT.target(times, "valid"), CUT.target(times, "test")) == (valid, test)


def test_leave_one_out_asks_for_the_last_two_events_of_users_with_three():
    split = DatasetSplit()

    assert (split.num_training([0.0] * 5), split.target([0.0] * 5, "valid"), split.target([0.0] * 5, "test")) == (
        3,
        3,
        4,
    )
    assert split.target([0.0, 1.0], "test") is None


def test_a_temporal_split_of_events_that_are_not_in_order_of_time_is_refused():
    with pytest.raises(DataError, match="in order of time"):
        CUT.num_training([20.0, 10.0])


def test_a_split_survives_the_manifest_and_old_datasets_were_left_one_out():
    assert split_of({"split": CUT.to_dict()}) == CUT
    assert split_of({}) == DatasetSplit()


def test_a_user_too_short_to_be_asked_about_is_not_counted_either():
    assert [DatasetSplit().num_training([0.0] * length) for length in (0, 1, 2, 3)] == [0, 0, 0, 1]


def test_moments_are_told_as_dates():
    split = DatasetSplit(kind="temporal", valid_from=1388534400.0, test_from=1388534401.0)

    assert "(from 2014-01-01 00:00:00 UTC until 2014-01-01 00:00:01 UTC)" in split.describe("valid")[0]
    assert "(from 2014-01-01 00:00:01 UTC on)" in split.describe("test")[0]
