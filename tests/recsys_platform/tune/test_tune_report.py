import csv
import dataclasses

import pytest

from recsys_model.config import LoraConfig, TextConfig
from recsys_model.errors import ConfigError
from recsys_platform.tune.report import PLOT_FILE, best_of, draw_plot, format_ranks, write_tables
from recsys_platform.tune.stage import plan_tune, run_tune
from recsys_platform.tune.trial import RankResult, trial_config
from tests.recsys_platform.tiny_dataset import tiny_config


def result_of(rank: int, hr_at_1: float, eval_loss: float = 2.0) -> RankResult:
    return RankResult(
        rank=rank,
        alpha=16.0,
        num_users=300,
        num_trainable_parameters=1000 * rank,
        hr_at_1=hr_at_1,
        hr_at_1_low=hr_at_1 - 0.05,
        hr_at_1_high=hr_at_1 + 0.05,
        eval_loss=eval_loss,
        minutes=1.5,
    )


RESULTS = [result_of(2, 0.25), result_of(8, 0.5)]


def test_the_best_rank_has_the_highest_hit_rate_then_the_lower_loss_then_the_lower_rank():
    assert best_of(RESULTS).rank == 8
    assert best_of([result_of(2, 0.5, 2.0), result_of(8, 0.5, 1.9)]).rank == 8
    assert best_of([result_of(8, 0.5), result_of(2, 0.5)]).rank == 2


def test_the_table_has_a_line_for_each_rank_and_the_best_in_bold():
    assert format_ranks(RESULTS, "catalogue").splitlines()[2:] == [
        "| 2 | 16 | 2,000 | 0.2500 | 0.2000-0.3000 | 2.0000 | 1.50 |",
        "| **8** | 16 | 8,000 | 0.5000 | 0.4500-0.5500 | 2.0000 | 1.50 |",
        "",
        "HR@1 on 300 validation users against the whole catalogue; best rank: 8. The update is scaled by alpha / rank, which "
        "changes with the rank here: rank and step size change together. lora.alpha_per_rank keeps the scale.",
    ]


def test_the_note_says_whom_the_item_had_to_beat_and_that_the_scale_was_kept():
    results = [dataclasses.replace(result, alpha=2.0 * result.rank) for result in RESULTS]
    assert format_ranks(results, "candidates").splitlines()[-1] == (
        "HR@1 on 300 validation users among the candidates that the question lists; best rank: 8. The update is scaled by "
        "alpha / rank, 2 at every rank."
    )


def test_the_csv_reads_back(tmp_path):
    write_tables(tmp_path, RESULTS, "catalogue")

    with (tmp_path / "ranks.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(int(row["rank"]), float(row["hr_at_1"])) for row in rows] == [(2, 0.25), (8, 0.5)]
    assert (tmp_path / "ranks.md").read_text() == format_ranks(RESULTS, "catalogue")


def test_the_plot_is_a_png(tmp_path):
    draw_plot(tmp_path / PLOT_FILE, RESULTS)

    assert (tmp_path / PLOT_FILE).read_bytes().startswith(b"\x89PNG")


def test_a_trial_is_a_run_of_its_own_on_the_dataset_of_the_search(tmp_path):
    config = tiny_config(tmp_path)
    trial = trial_config(config, 16, tmp_path / "search")

    assert trial.lora.rank == 16
    assert trial.folder == tmp_path / "search" / "tiny-rank-16"
    assert trial.dataset_folder == config.dataset_folder
    assert trial.text == TextConfig(max_tokens=96)


def test_a_search_without_a_base_model_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"set model\.weights to a checkpoint or a published model"):
        run_tune(tiny_config(tmp_path))


def test_alpha_per_rank_keeps_the_scale_at_every_rank_and_leaves_no_room_for_alpha(tmp_path):
    config = tiny_config(tmp_path, lora={"enabled": True, "alpha_per_rank": 2.0})

    assert [trial_config(config, rank, tmp_path).lora.effective_alpha for rank in (2, 32)] == [4.0, 64.0]
    assert [trial_config(tiny_config(tmp_path), rank, tmp_path).lora.effective_alpha for rank in (2, 32)] == [
        16.0,
        16.0,
    ]
    with pytest.raises(
        ConfigError, match=r"lora\.alpha and lora\.alpha_per_rank set the same scale.*leave one of them out"
    ):
        LoraConfig(alpha=16.0, alpha_per_rank=2.0)
    with pytest.raises(ConfigError, match=r"lora\.alpha_per_rank must be above 0, got 0"):
        LoraConfig(alpha_per_rank=0.0)


def test_candidates_are_asked_only_where_trials_learn_to_choose_among_them(tmp_path):
    config = tiny_config(
        tmp_path, model={"weights": str(tmp_path)}, lora={"enabled": True}, tune={"competitors": "candidates"}
    )

    with pytest.raises(ConfigError, match=r"set tasks\.template_share and tasks\.candidate_weight above 0"):
        plan_tune(config)
