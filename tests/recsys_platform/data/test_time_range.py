"""Warnings about the years of the interactions."""

import pytest

from recsys_platform.config.input import TableConfig
from recsys_platform.data.time_range import doubt_times

NOW = 1_714_521_600.0


@pytest.mark.parametrize(
    ("earliest", "latest", "settings", "warning"),
    [
        (NOW - 9, NOW, {}, None),
        (0.0, NOW, {}, None),
        (0.0, 86_400.0, {}, "times from 1970-01-01 to 1970-01-02: numbers are read as seconds from 1970"),
        (0.0, 86_400.0, {"time_unit": "s"}, None),
        (NOW, NOW + 172_800, {}, "times from 2024-05-01 to 2024-05-03, the last after today"),
        (NOW, NOW + 172_800, {"time_unit": "s"}, "the last after today"),
    ],
)
def test_unlikely_years_are_told(earliest, latest, settings, warning):
    told = doubt_times(earliest, latest, TableConfig(path="events", **settings), clock=lambda: NOW)
    assert (told is None) if warning is None else (told is not None and warning in told)
