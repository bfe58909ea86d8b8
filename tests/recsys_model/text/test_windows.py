"""Time-window sampling against a slow reference that is written from the specification."""

import subprocess
import sys
from collections import Counter
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys_model.config import WindowConfig
from recsys_model.text.windows import sample_history

DAY = 86400.0
NOW = 1000 * DAY
KEY = (0, "ann", 7)


def at(*ages_days: float) -> list[float]:
    return [NOW - age * DAY for age in ages_days]


def window_names(timestamps: list[float], config: WindowConfig) -> list[str]:
    names = []
    for timestamp in timestamps:
        age = (NOW - timestamp) / DAY
        names.append("short" if age <= config.short_days else "medium" if age <= config.medium_days else "long")
    return names


def reference_quotas(config: WindowConfig) -> dict[str, int]:
    exact = {
        name: config.max_history * Fraction(str(share))
        for name, share in (
            ("short", config.short_share),
            ("medium", config.medium_share),
            ("long", config.long_share),
        )
    }
    quotas = {name: int(value) for name, value in exact.items()}
    while sum(quotas.values()) < config.max_history:
        neediest = max(exact, key=lambda name: exact[name] - quotas[name])
        quotas[neediest] += 1
    return quotas


def reference_takes(sizes: dict[str, int], quotas: dict[str, int]) -> dict[str, int]:
    """Hand out one place at a time: own window, then more recent ones, then older ones from the recent end."""
    takes = dict.fromkeys(sizes, 0)
    for owner, fallbacks in (
        ("long", ["long", "medium", "short"]),
        ("medium", ["medium", "short"]),
        ("short", ["short"]),
    ):
        for _ in range(quotas[owner]):
            for window in [*fallbacks, "medium", "long"]:
                if takes[window] < sizes[window]:
                    takes[window] += 1
                    break
    return takes


shares = st.sampled_from([(0.1, 0.3, 0.6), (0.0, 0.0, 1.0), (1.0, 0.0, 0.0), (0.25, 0.25, 0.5), (0.2, 0.5, 0.3)])
configs = st.builds(
    lambda budget, parts: WindowConfig(
        max_history=budget, long_share=parts[0], medium_share=parts[1], short_share=parts[2]
    ),
    st.integers(1, 25),
    shares,
)
histories = st.lists(st.sampled_from([0.0, 1.0, 6.0, 7.0, 8.0, 30.0, 89.0, 90.0, 91.0, 400.0, 900.0]), max_size=60).map(
    lambda ages: at(*sorted(ages, reverse=True))
)


@settings(deadline=None)
@given(histories, configs, st.integers(0, 3))
def test_a_history_has_as_many_events_as_the_budget_allows_in_the_users_order(history, config, seed):
    chosen = sample_history(history, NOW, config, (seed, "ann", len(history)))
    assert len(chosen) == min(config.max_history, len(history))
    assert chosen == sorted(set(chosen))
    assert all(0 <= index < len(history) for index in chosen)


@settings(deadline=None)
@given(histories, configs)
def test_every_window_gives_what_the_slow_reference_gives(history, config):
    names = window_names(history, config)
    sizes = {name: names.count(name) for name in ("long", "medium", "short")}
    fits = len(history) <= config.max_history
    expected = sizes if fits else reference_takes(sizes, reference_quotas(config))
    counted = Counter(names[index] for index in sample_history(history, NOW, config, KEY))
    assert {name: counted[name] for name in sizes} == expected


@settings(deadline=None)
@given(histories, configs)
def test_the_short_window_keeps_its_latest_events(history, config):
    names = window_names(history, config)
    short = [index for index, name in enumerate(names) if name == "short"]
    chosen = [index for index in sample_history(history, NOW, config, KEY) if names[index] == "short"]
    assert chosen == short[len(short) - len(chosen) :]


@settings(deadline=None)
@given(histories, st.integers(1, 25))
def test_quantile_bounds_count_events_and_ignore_times(history, budget):
    config = WindowConfig(max_history=budget, bounds="quantile")
    same_times = [0.0] * len(history)
    assert sample_history(history, NOW, config, KEY) == sample_history(same_times, NOW, config, KEY)


def test_ten_places_are_shared_one_three_six_when_all_windows_are_full():
    history = at(*[400.0] * 20, *[30.0] * 20, *[1.0] * 20)
    chosen = sample_history(history, NOW, WindowConfig(max_history=10), KEY)
    assert [sum(low <= index < low + 20 for index in chosen) for low in (0, 20, 40)] == [1, 3, 6]
    assert chosen[-6:] == [54, 55, 56, 57, 58, 59]


def test_remainders_that_tie_go_to_the_more_recent_window_whatever_binary_fractions_say():
    history = at(*[400.0] * 20, *[30.0] * 20, *[1.0] * 20)
    # 10 / 30 / 60 % of 4 places are 0.4, 1.2 and 2.4: long and short have the same remainder
    chosen = sample_history(history, NOW, WindowConfig(max_history=4), KEY)
    assert [sum(low <= index < low + 20 for index in chosen) for low in (0, 20, 40)] == [0, 1, 3]


def test_quantile_windows_are_the_latest_shares_of_the_events():
    config = WindowConfig(max_history=10, bounds="quantile", short_quantile=0.3, medium_quantile=0.5)
    chosen = sample_history([0.0] * 40, 0.0, config, KEY)
    assert [sum(low <= index < high for index in chosen) for low, high in ((0, 8), (8, 28), (28, 40))] == [1, 3, 6]
    assert chosen[-6:] == [34, 35, 36, 37, 38, 39]


def test_without_windows_a_history_is_its_latest_events_whatever_their_times_and_the_shares():
    config = WindowConfig(max_history=3, bounds="last", long_share=1.0, medium_share=0.0, short_share=0.0)
    assert sample_history(at(400.0, 30.0, 500.0, 1.0, 90.0), NOW, config, KEY) == [2, 3, 4]
    assert sample_history(at(400.0, 30.0), NOW, config, KEY) == [0, 1]


def test_an_empty_long_window_gives_its_place_to_the_medium_one():
    history = at(*[30.0] * 20, *[1.0] * 20)
    chosen = sample_history(history, NOW, WindowConfig(max_history=10), KEY)
    assert sum(index < 20 for index in chosen) == 4


def test_places_that_the_short_window_cannot_use_go_to_the_nearest_older_window():
    history = at(*[400.0] * 20, *[30.0] * 5, 1.0)
    chosen = sample_history(history, NOW, WindowConfig(max_history=10), KEY)
    assert [sum(low <= index < high for index in chosen) for low, high in ((0, 20), (20, 25), (25, 26))] == [4, 5, 1]


def test_windows_are_closed_at_their_older_end():
    config = WindowConfig(max_history=1, long_share=0.0, medium_share=0.0, short_share=1.0)
    assert sample_history(at(7.001, 7.0), NOW, config, KEY) == [1]
    assert sample_history(at(7.0, 6.0), NOW, config, KEY) == [1]


def test_an_event_that_is_placed_before_the_target_but_dated_after_it_is_short_term():
    config = WindowConfig(max_history=1, long_share=0.0, medium_share=0.0, short_share=1.0)
    assert sample_history(at(-3.0, 400.0), NOW, config, KEY) == [0]


@pytest.mark.parametrize("other", [(1, "ann", 7), (0, "bob", 7), (0, "ann", 8)])
def test_each_part_of_the_key_changes_the_sample(other):
    history = at(*[400.0] * 300)
    config = WindowConfig(max_history=50)
    assert sample_history(history, NOW, config, KEY) == sample_history(history, NOW, config, KEY)
    assert sample_history(history, NOW, config, KEY) != sample_history(history, NOW, config, other)


def test_long_term_events_are_drawn_uniformly():
    config = WindowConfig(max_history=2)
    history = at(*[400.0] * 10)
    drawn = Counter(index for user in range(4000) for index in sample_history(history, NOW, config, (0, str(user), 10)))
    # 4000 users x 2 of 10 events: 800 each, standard deviation 25
    assert all(abs(drawn[index] - 800) < 130 for index in range(10))


def test_another_process_draws_the_same_sample():
    code = (
        "from recsys_model.config import WindowConfig; from recsys_model.text.windows import sample_history;"
        "print(sample_history([0.0] * 100, 1e9, WindowConfig(max_history=5), (3, 'zoë', 100)))"
    )
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    here = sample_history([0.0] * 100, 1e9, WindowConfig(max_history=5), (3, "zoë", 100))
    assert other.strip() == str(here)
    assert here == [23, 42, 45, 53, 98]
