from recsys_platform.display_width import display_width
from recsys_platform.evaluate.report.measured import Difference, MeasuredValue
from recsys_platform.evaluate.report.terminal import format_difference, format_table

FIGURE = MeasuredValue(value=0.12346, low=0.1, high=0.15)
NAMES = ("hr_at_1", "hr_at_5", "hr_at_10", "ndcg_at_5", "ndcg_at_10")
METRICS = {
    "popularity": dict.fromkeys(NAMES, MeasuredValue(value=0.01, low=0.0, high=0.02)),
    "recsysllm": dict.fromkeys(NAMES, FIGURE),
    "best_reachable": {"hr_at_10": MeasuredValue.exact(0.5)},
}


def test_the_table_of_the_terminal_is_aligned_with_the_model_first_and_a_dash_where_nothing_is_known():
    assert format_table(METRICS).splitlines() == [
        "method                                           HR@1    HR@5   HR@10  NDCG@5  NDCG@10  95 % of HR@10",
        "RecSysLLM                                      0.1235  0.1235  0.1235  0.1235   0.1235  0.1000-0.1500",
        "popularity                                     0.0100  0.0100  0.0100  0.0100   0.0100  0.0000-0.0200",
        "best reachable (the shop's own probabilities)       -       -  0.5000       -        -              -",
    ]


def test_columns_stand_below_each_other_where_characters_take_two_columns():
    lines = format_table({"热门商品": {"hr_at_10": FIGURE}} | METRICS).splitlines()

    assert lines[-1].startswith("热门商品" + " " * (len("best reachable (the shop's own probabilities)") - 8))
    assert {display_width(line) for line in lines} == {len(lines[0])}


def test_a_method_without_a_title_is_in_the_table_too():
    lines = format_table({"bpr_mf": {"hr_at_10": FIGURE}} | METRICS).splitlines()

    assert [line.split("  ")[0] for line in lines[1:]][-1] == "bpr mf"
    assert len(lines) == 5


def test_the_difference_names_the_baseline_and_carries_signs():
    figure = MeasuredValue(value=-0.01, low=-0.02, high=0.001)
    difference = Difference(baseline="co_occurrence", metrics={"hr_at_10": figure})

    assert format_difference(difference) == (
        "RecSysLLM minus last-item co-occurrence, paired over the same users: HR@10 -0.0100 [-0.0200, +0.0010]."
    )
