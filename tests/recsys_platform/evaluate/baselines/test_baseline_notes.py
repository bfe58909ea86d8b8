"""What a report says of its baselines, and when it warns."""

import dataclasses
import json
from typing import get_args, get_type_hints

import numpy as np
import pytest

from recsys_model.evaluation.public_figures import PUBLIC_DATASETS
from recsys_platform.config.stages import EvaluateConfig
from recsys_platform.evaluate.baselines.notes import PUBLIC_NAMES, describe_baselines, training_in_words
from recsys_platform.evaluate.baselines.run import BaselineRun
from recsys_platform.evaluate.ranking.cases import EvaluationData
from recsys_platform.evaluate.ranking.rankings import Rankings
from recsys_platform.evaluate.report.baseline_sections import baseline_section
from recsys_platform.evaluate.report.content import BaselineNotes, TrainingRecord
from recsys_platform.evaluate.report.document import Bullets, Paragraph, Table
from recsys_platform.evaluate.report.measured import RankingTable
from recsys_platform.evaluate.report.ranking_sections import summary_section
from recsys_platform.evaluate.report.wording import METHOD_TITLES
from recsys_platform.splits import DatasetSplit
from tests.recsys_platform.evaluate.report.tiny_report import figure, tiny_report

BEAUTY = PUBLIC_DATASETS[0]
ALL_BASELINES = get_args(get_args(get_type_hints(EvaluateConfig)["baselines"])[0])
RECORD = TrainingRecord(num_passes=131, max_passes=200, patience=20, kept_pass=111, validation_ndcg_at_10=0.0712)


def run(name: str, record: TrainingRecord) -> BaselineRun:
    return BaselineRun(name, Rankings({}, {}), record)


def data_of(num_users: int, num_events: int = BEAUTY.num_events, split: DatasetSplit | None = None) -> EvaluationData:
    return EvaluationData(
        cases=[None] * num_users,
        training_sequences=[np.zeros(0, dtype=np.int64)] * BEAUTY.num_users,
        validation_items=[None] * BEAUTY.num_users,
        num_events=num_events,
        num_users_in_split=BEAUTY.num_users,
        split=split or DatasetSplit(),
    )


def described(
    hr: float, ndcg: float, *, data: EvaluationData | None = None, name: str = "sasrec", width: float = 0.004, **changes
) -> BaselineNotes:
    """Describe one baseline on Beauty with these figures, under the protocol of the public ones but for `changes`."""
    settings = EvaluateConfig(**({"baselines": (name,), "exclude_seen": True} | changes))
    metrics = {name: {"hr_at_10": figure(hr, width), "ndcg_at_10": figure(ndcg, width)}}
    table = RankingTable(title="All", competitors="catalogue", statements=(), metrics=metrics, differences=())
    return describe_baselines([run(name, RECORD)], settings, data or data_of(22_363), BEAUTY.num_items, [table])


def test_a_baseline_below_the_public_range_is_named_with_range_and_source():
    assert described(0.0750, 0.0447).warnings == (
        "SASRec is below the public figures for Amazon Beauty (2014, 5-core): HR@10 0.0750 (0.0710 to 0.0790), "
        "public 0.0977 to 0.0994; NDCG@10 0.0447 (0.0407 to 0.0487), public 0.0591 to 0.0601 (public logs of five seeds, "
        "softmax over all items). A comparison with it flatters the model.",
    )


def test_the_interval_decides_whether_a_figure_is_below():
    assert described(0.0940, 0.0570).warnings == ()
    assert "HR@10" not in described(0.0940, 0.0500).warnings[0]
    assert len(described(0.0940, 0.0570, width=0.0005).warnings) == 1
    assert described(0.1100, 0.0700, width=0.0005).warnings == ()


def test_cornacs_model_is_held_against_the_same_figures_and_others_against_none():
    assert (
        described(0.0750, 0.0447, name="sasrec_cornac")
        .warnings[0]
        .startswith("SASRec (cornac) is below the public figures")
    )
    assert described(0.0700, 0.0447, name="last_item").warnings[0].startswith("last item alone")
    assert described(0.0100, 0.0100, name="gru4rec").warnings == ()


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"exclude_seen": False}, "evaluate.exclude_seen is false"),
        ({"split": "valid"}, "evaluate.split is valid"),
        ({"data": dataclasses.replace(data_of(22_363), tie_order="seeded")}, "data.tie_order is seeded"),
        ({"data": data_of(999)}, "999 users are fewer than 1,000"),
        ({"competitors": ("sampled",)}, "evaluate.competitors lacks catalogue"),
        (
            {"data": data_of(22_363, split=DatasetSplit(kind="temporal", valid_from=1.0, test_from=2.0))},
            "the split is not leave-one-out",
        ),
    ],
)
def test_another_protocol_warns_of_nothing_and_says_why(changes, reason):
    notes = described(0.01, 0.01, **changes)

    assert notes.warnings == ()
    assert notes.notes == (
        f"This is Amazon Beauty (2014, 5-core). Its public figures have another protocol: {reason}.",
    )


def test_another_data_set_is_compared_with_nothing():
    notes = described(0.01, 0.01, data=data_of(22_363, num_events=198_501))

    assert (notes.dataset, notes.warnings, notes.notes) == (None, (), ())


def test_a_recognised_data_set_tells_what_others_reach_on_it():
    assert described(0.098, 0.06).notes == (
        "For orientation, BSARec reaches HR@10 0.1004, NDCG@10 0.0609 on Amazon Beauty (2014, 5-core) "
        "(public leaderboard, five seeds).",
    )


def test_training_is_told_as_it_was_stopped():
    assert training_in_words(RECORD) == (
        "131 of 200 passes, the last 20 no better; pass 111 ranks, the best by validation NDCG@10 (0.0712)"
    )
    assert training_in_words(TrainingRecord()) == "no training"


@pytest.mark.parametrize("name", ALL_BASELINES)
def test_every_baseline_that_can_be_asked_for_is_described(name):
    (entry,) = described(0.5, 0.5, name=name).methods

    assert entry.method == name
    assert entry.implementation.startswith(("this project", "library cornac"))
    assert (entry.public is not None) == (name in PUBLIC_NAMES)
    assert name in METHOD_TITLES


def test_public_ranges_are_in_order():
    figures = [each for dataset in PUBLIC_DATASETS for part in dataset.figures.values() for each in part.values()]

    assert figures
    assert all(0.0 < each.low <= each.high < 1.0 and each.source for each in figures)


def test_the_page_lists_whose_code_training_public_figure_warnings_and_notes():
    report = dataclasses.replace(tiny_report(), baselines=described(0.0750, 0.0447))

    table, warnings, notes = baseline_section(report).blocks

    assert isinstance(table, Table)
    assert table.rows == [
        [
            "SASRec",
            "this project, in torch: width 64, 2 blocks, dropout 0.6, histories of 50, softmax over all items",
            "131 of 200 passes, the last 20 no better; pass 111 ranks, the best by validation NDCG@10 (0.0712)",
            "Amazon Beauty (2014, 5-core): HR@10 0.0977 to 0.0994, NDCG@10 0.0591 to 0.0601 (public logs of five seeds, "
            "softmax over all items)",
        ]
    ]
    assert warnings == Bullets(report.baselines.warnings, title="Warnings")
    assert notes.items[0].startswith("For orientation, BSARec")
    assert summary_section(report).blocks[1] == warnings


def test_a_report_without_descriptions_says_so():
    assert baseline_section(tiny_report()).blocks == [Paragraph("No baseline was measured.")]


def test_a_run_survives_being_written_and_read():
    rankings = Rankings({"catalogue": {"sasrec": np.array([1, 0])}}, {"sasrec": [[3], [4]]})

    plain = BaselineRun("sasrec", rankings, RECORD).to_plain()
    again = BaselineRun.from_plain(json.loads(json.dumps(plain)))

    assert (again.name, again.training) == ("sasrec", RECORD)
    assert again.rankings.ranks["catalogue"]["sasrec"].tolist() == [1, 0]
    assert dataclasses.replace(again, rankings=rankings) == BaselineRun("sasrec", rankings, RECORD)


@pytest.mark.parametrize(
    ("record", "plain"), [(TrainingRecord(), {}), (TrainingRecord(num_passes=2), {"num_passes": 2})]
)
def test_a_record_holds_what_there_is_and_nothing_else(record, plain):
    assert run("bpr", record).to_plain()["training"] == plain
