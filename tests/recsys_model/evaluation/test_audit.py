"""Figures against rankings that have them, closed forms, and the printed tables of the paper."""

import csv
import dataclasses
import itertools
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys_model.errors import DataError
from recsys_model.evaluation.audit import check_possible, exact_figures, find_broken_bound, parse_figure
from recsys_model.evaluation.audit_table import audit_table
from recsys_model.evaluation.metrics import METRIC_NAMES, gains

ROOT = Path(__file__).resolve().parents[3]
PAPER_TABLES = ROOT / "platform/recsys_platform/evaluate/report/paper_rankings.csv"
RANKS = st.lists(st.integers(0, 15), min_size=1, max_size=40)
NAMES = ("hr@1", "hr@5", "ndcg@5", "hr@10", "ndcg@10")


def means(ranks: list[int]) -> dict[str, float]:
    return {name: float(gains(np.array(ranks), name).mean()) for name in METRIC_NAMES}


def broken_name(**printed: str) -> str | None:
    figures = {name.replace("_at_", "@"): parse_figure(text) for name, text in printed.items()}
    broken = find_broken_bound(figures)
    return None if broken is None else broken.name


@settings(deadline=None)
@given(RANKS)
def test_whatever_ranks_give_is_possible(ranks):
    check_possible("a method", means(ranks))


@settings(deadline=None)
@given(RANKS, st.integers(1, 4), st.sets(st.sampled_from(METRIC_NAMES), min_size=1))
def test_whatever_ranks_give_is_possible_when_rounded_and_with_figures_left_out(ranks, digits, names):
    printed = {name: f"{value:.{digits}f}" for name, value in means(ranks).items() if name in names}
    assert broken_name(**printed) is None


@settings(deadline=None)
@given(st.lists(st.floats(0.0, 1.0), min_size=3, max_size=3))
def test_the_bounds_of_ndcg_are_those_of_all_hits_at_the_best_and_at_the_worst_ranks(shares):
    hr_1, hr_5, hr_10 = sorted(shares)
    best = [hr_1 + (hr_5 - hr_1) / math.log2(3), (hr_10 - hr_5) / math.log2(7)]
    worst = [hr_1 + (hr_5 - hr_1) / math.log2(6), (hr_10 - hr_5) / math.log2(11)]
    figures = exact_figures({"hr_at_1": hr_1, "hr_at_5": hr_5, "hr_at_10": hr_10})
    for value in (-1.0, 2.0):
        broken = find_broken_bound(figures | exact_figures({"ndcg_at_10": value}))
        assert broken is not None
        assert (broken.low, broken.high) == pytest.approx((sum(worst), sum(best)), abs=1e-7)


def test_all_figures_of_a_row_are_taken_together():
    # the best NDCG@10 is .2 + .2 / log2(3) + .2 / log2(7) = .3974, but only .3 + .2 / log2(7) = .3712 where NDCG@5 is .3
    assert broken_name(hr_at_1="0.200", hr_at_5="0.400", ndcg_at_5="0.300", hr_at_10="0.600") is None
    assert broken_name(hr_at_1="0.200", hr_at_5="0.400", hr_at_10="0.600", ndcg_at_10="0.385") is None
    assert (
        broken_name(hr_at_1="0.200", hr_at_5="0.400", ndcg_at_5="0.300", hr_at_10="0.600", ndcg_at_10="0.385")
        == "ndcg@10"
    )


@pytest.mark.parametrize(
    ("printed", "message"),
    [
        ({"hr_at_1": "0.30", "hr_at_5": "0.20"}, "HR@5 0.20 cannot be below 0.2950, given HR@1 0.30"),
        ({"hr_at_5": "1.2"}, "HR@5 1.2 cannot exceed 1.0000"),
        ({"hr_at_5": "-0.2"}, "HR@5 -0.2 cannot be below 0.0000"),
        ({"hr_at_5": "0.500", "ndcg_at_5": "0.503"}, "NDCG@5 0.503 cannot exceed 0.5005, given HR@5 0.500"),
        ({"ndcg_at_5": "0.50", "ndcg_at_10": "0.40"}, "NDCG@10 0.40 cannot be below 0.4950, given NDCG@5 0.50"),
        ({"hr_at_5": "0.20", "ndcg_at_5": "0.05"}, "NDCG@5 0.05 cannot be below 0.0754, given HR@5 0.20"),
    ],
)
def test_the_message_names_the_bound_that_is_broken(printed, message):
    figures = {name.replace("_at_", "@"): parse_figure(text) for name, text in printed.items()}
    assert str(find_broken_bound(figures)).startswith(message)


def test_a_figure_may_be_off_by_half_a_unit_of_its_last_digit_and_no_more():
    # HR@1 is at least .05, so NDCG@5 at least .05 + .05 / log2(6) = .0693; with .10 it is .095 + .005 / log2(6) = .0969
    assert broken_name(hr_at_1="0.1", hr_at_5="0.100", ndcg_at_5="0.0700") is None
    assert broken_name(hr_at_1="0.10", hr_at_5="0.100", ndcg_at_5="0.0700") == "ndcg@5"
    assert broken_name(hr_at_5="0.50", ndcg_at_5="0.51") is None
    assert broken_name(hr_at_5="0.500", ndcg_at_5="0.510") == "ndcg@5"


def closed_form_holds(values: dict[str, float], room: dict[str, float]) -> bool:
    """Compare the figures two and two, three and three; `room` is added to every comparison that has the figure."""

    def at_most(left: dict[str, float], right: dict[str, float]) -> bool:
        sides = [sum(factor * values[name] for name, factor in side.items()) for side in (left, right)]
        factors = {name: left.get(name, 0.0) - right.get(name, 0.0) for name in {*left, *right}}
        return sides[0] <= sides[1] + sum(abs(factor) * room[name] for name, factor in factors.items()) + 1e-12

    best_5, worst_5, best_10, worst_10 = (1 / math.log2(rank + 1) for rank in (2, 5, 6, 10))
    rules = [
        at_most({"hr@5": 1.0}, {"hr@10": 1.0}),
        at_most({"ndcg@10": 1.0, "hr@5": best_10}, {"ndcg@5": 1.0, "hr@10": best_10}),
        at_most({"ndcg@5": 1.0, "hr@10": worst_10}, {"ndcg@10": 1.0, "hr@5": worst_10}),
    ]
    if "hr@1" in values:
        rules += [
            at_most({"hr@1": 1.0}, {"hr@5": 1.0}),
            at_most({"ndcg@5": 1.0}, {"hr@1": 1.0 - best_5, "hr@5": best_5}),
            at_most({"hr@1": 1.0 - worst_5, "hr@5": worst_5}, {"ndcg@5": 1.0}),
        ]
    else:
        rules += [at_most({"ndcg@5": 1.0}, {"hr@5": 1.0}), at_most({"hr@5": worst_5}, {"ndcg@5": 1.0})]
    return all(rules)


def judge_by_hand(cells: dict[str, str]) -> bool:
    """Possible if some corner of the rounding satisfies every closed form, impossible if one fails with all of it."""
    values = {name: float(cells[name]) for name in NAMES if cells[name]}
    halves = dict.fromkeys(values, 0.5e-4)
    corners = itertools.product((-1, -0.99, 0, 0.99, 1), repeat=len(values))
    exact = dict.fromkeys(values, 0.0)
    shifted = ({n: values[n] + c * halves[n] for n, c in zip(values, corner, strict=True)} for corner in corners)
    is_possible = any(closed_form_holds(corner, exact) for corner in shifted)
    assert is_possible or not closed_form_holds(values, halves), f"the closed forms do not decide {cells}"
    return is_possible


def test_exactly_twelve_rows_of_the_printed_tables_are_impossible():
    lines = PAPER_TABLES.read_text().splitlines()
    names = lines[0].split(",")
    audited = audit_table(lines).rows
    by_hand = [judge_by_hand(dict(zip(names, line.split(","), strict=True))) for line in lines[1:]]

    assert [row.broken is None for row in audited] == by_hand
    assert (len(audited), by_hand.count(False)) == (62, 12)
    assert [(row.label, row.broken.name) for row in audited if row.broken is not None] == [
        ("Table 4, RecSysLLM, Sports", "ndcg@10"),
        ("Table 4, RecSysLLM, Beauty", "ndcg@10"),
        ("Table 4, P5 (unseen prompts), Toys", "ndcg@10"),
        ("Table 4, RecSysLLM (unseen prompts), Sports", "ndcg@10"),
        ("Table 7, RecSysLLM, Sports", "ndcg@10"),
        ("Table 7, RecSysLLM (unseen prompts), Sports", "ndcg@10"),
        ("Table 7, RecSysLLM (unseen prompts), Beauty", "hr@5"),
        ("Table 7, RecSysLLM (unseen prompts), Toys", "ndcg@10"),
        ("Table 8, ChatGLM+SFT, Alipay", "ndcg@10"),
        ("Table 8, RecSysLLM, Alipay", "ndcg@10"),
        ("Table 9, ChatGLM+SFT, Alipay", "ndcg@5"),
        ("Table 9, RecSysLLM, Alipay", "ndcg@5"),
    ]
    # .4965 + (.7435 - .4965) / log2(3) = .6523, and .6524 with the rounding
    assert str(audited[-1].broken).startswith("NDCG@5 0.7032 cannot exceed 0.6524, given HR@1 0.4965, HR@5 0.7435")


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["method,hr@0", "a,1"], r"line 1: the columns must be .*got \['method', 'hr@0'\]"),
        (["dataset,hr@5", "a,1"], "line 1: the columns must be method"),
        (["method,hr@5,hr@5", "a,1,1"], "each once"),
        (["method,hr@5", "a,0.5", "b,0.5,0.6"], "line 3: the header has 2 columns, this line 3"),
        (["method,hr@5", "a,5.1%"], "line 2, hr@5: a figure must be a decimal number such as 0.0508, got '5.1%'"),
        (["method,hr@5", "a,nan"], "line 2, hr@5: a figure must be a finite number such as 0.0508, got 'nan'"),
    ],
)
def test_a_table_that_cannot_be_read_says_where(lines, message):
    with pytest.raises(DataError, match=message):
        audit_table(lines)


def test_empty_cells_and_other_cut_offs_are_fine():
    (row,) = audit_table(["method,dataset,hr@1,hr@20,ndcg@20", "", "ours,,,.5,.2"]).rows
    assert (row.line, row.label, row.num_figures, row.broken) == (3, "ours", 2, None)


def test_computed_metrics_that_no_ranking_has_are_refused():
    with pytest.raises(
        DataError, match=r"the figures of ours cannot be reported: NDCG@5 0.410000 cannot exceed 0.3262"
    ):
        check_possible("ours", {"hr_at_1": 0.2, "hr_at_5": 0.4, "ndcg_at_5": 0.41})


def test_eleven_of_the_twelve_stay_impossible_with_a_whole_unit_of_room():
    def widened(figures):
        return {name: dataclasses.replace(each, half_unit=2 * each.half_unit) for name, each in figures.items()}

    possible = []
    for row in csv.DictReader(PAPER_TABLES.read_text(encoding="utf-8").splitlines()):
        figures = {name: parse_figure(text) for name, text in row.items() if "@" in name and text}
        if find_broken_bound(figures) is not None and find_broken_bound(widened(figures)) is None:
            possible.append((row["table"], row["method"], row["dataset"]))
    assert possible == [("Table 4", "RecSysLLM (unseen prompts)", "Sports")]


def test_the_same_rows_are_impossible_where_zeros_at_the_end_were_dropped():
    lines = PAPER_TABLES.read_text().splitlines()
    # what pandas writes: 0.0330 becomes 0.033
    written = [
        ",".join([*row[:3], *(str(float(cell)) if cell else "" for cell in row[3:])]) for row in split(lines[1:])
    ]
    assert written != lines[1:]
    table = audit_table([lines[0], *written])
    assert [row.broken for row in table.rows] == [row.broken for row in audit_table(lines).rows]
    assert table.digits == dict.fromkeys(NAMES, 4)
    assert [note.split(":")[0] for note in table.notes] == ["hr@1", "hr@5", "ndcg@5", "hr@10", "ndcg@10"]


def split(lines: list[str]) -> list[list[str]]:
    return list(csv.reader(lines))


ONE_ROW = ["method,hr@5,ndcg@5,hr@10,ndcg@10", "P5,0.0392,0.033,0.0512,0.0375"]


def test_one_row_whose_zeros_were_dropped_is_possible_with_a_hint_and_impossible_with_four_digits():
    table = audit_table(ONE_ROW)
    assert [row.broken for row in table.rows] == [None]
    assert table.digits == {"hr@5": 4, "ndcg@5": 3, "hr@10": 4, "ndcg@10": 4}
    assert table.notes == (
        "columns with fewer digits than the 4 of others: ndcg@5 3; "
        "if zeros at the end were dropped, audit with --digits 4",
    )
    table = audit_table(ONE_ROW, digits=4)
    # .0330 + (.0512 - .0392) / log2(7) = .03727, and .03741 with the rounding of all four
    assert [str(row.broken) for row in table.rows] == [
        "NDCG@10 0.0375 cannot exceed 0.0374, given HR@5 0.0392, NDCG@5 0.0330, HR@10 0.0512, "
        "one positive per case and their rounding"
    ]
    assert (table.digits["ndcg@5"], table.notes) == (4, ())


def test_the_longest_cell_of_a_column_gives_its_digits():
    lines = ["method,hr@5,ndcg@5", "a,0.5,0.51", "b,0.123,0.1"]
    table = audit_table(lines)
    assert table.digits == {"hr@5": 3, "ndcg@5": 2}
    # .505 would fit a rounding of .5 to one digit, not of .500
    assert [None if row.broken is None else row.broken.name for row in table.rows] == ["ndcg@5", None]
    assert table.notes[0] == (
        "hr@5: 1 of 2 figures have fewer than the column's 3 digits and are read with 3, as zeros at their end may have "
        "been dropped; split the table if its rows are rounded differently"
    )


def test_fewer_digits_than_a_figure_has_are_refused():
    with pytest.raises(
        DataError, match=r"line 2, hr@5: a figure must have at most the 3 digits asked for, got '0.0392'"
    ):
        audit_table(ONE_ROW, digits=3)
