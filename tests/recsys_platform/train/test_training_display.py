"""What the driver says about a training, from lines of its metrics file."""

import json
from pathlib import Path

import pytest

from recsys_platform.config.stages import TrainConfig
from recsys_platform.file_names import METRICS_FILE
from recsys_platform.json_lines import append_json_line
from recsys_platform.train.display import TrainingState, shown_training

LINES = [
    {"step": 100, "epoch": 1.25, "minutes": 1.0, "train/loss": 2.5, "train/tokens_per_s": 31234.5},
    {"step": 100, "epoch": 1.25, "minutes": 1.1, "eval/loss": 2.25},
]


def write(folder: Path, lines: list[dict]) -> Path:
    path = folder / METRICS_FILE
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def state_of(path: Path, train: TrainConfig) -> TrainingState:
    state = TrainingState(train)
    state.read(path)
    return state


def test_a_training_that_has_logged_nothing_is_at_its_start(tmp_path: Path) -> None:
    state = state_of(tmp_path / METRICS_FILE, TrainConfig(epochs=5))
    assert (state.share, state.text()) == (0.0, "no step is logged yet")


def test_epoch_loss_time_left_tokens_and_the_last_validation_are_told(tmp_path: Path) -> None:
    state = state_of(write(tmp_path, LINES), TrainConfig(epochs=5))
    assert state.share == 0.25
    assert state.text() == (
        "epoch 1.2 of 5, step 100, loss 2.5, about 3.3 min left, 31,234 tokens/s, validation loss 2.25"
    )


def test_the_ranking_of_validation_users_is_told_where_there_is_one(tmp_path: Path) -> None:
    ranked = {"step": 200, "epoch": 2.5, "minutes": 2.0, "eval/loss": 2.0, "eval/ndcg_at_10": 0.125}
    state = state_of(write(tmp_path, [*LINES, ranked]), TrainConfig(epochs=5))
    assert state.text() == (
        "epoch 2.5 of 5, step 200, loss 2.5, about 2.0 min left, 31,234 tokens/s, validation NDCG@10 0.125"
    )


def test_the_clock_counts_where_it_is_further_than_the_epochs(tmp_path: Path) -> None:
    state = state_of(write(tmp_path, LINES), TrainConfig(epochs=5, max_minutes=2.2))
    assert state.share == pytest.approx(0.5)
    over = state_of(write(tmp_path, LINES), TrainConfig(epochs=5, max_minutes=1.1))
    assert over.share == 1.0
    assert "loss 2.5, in 1.1 min, 31,234 tokens/s" in over.text()


def test_after_a_restart_the_state_goes_back_to_the_checkpoint_and_a_torn_line_is_not_read(tmp_path: Path) -> None:
    path = write(tmp_path, [*LINES, {"step": 200, "epoch": 2.5, "minutes": 2.0}])
    state = state_of(path, TrainConfig(epochs=5))
    path.write_text(json.dumps(LINES[0]) + '\n{"step": 100, "epo')
    state.read(path)
    assert state.share == 0.25
    assert state.text().startswith("epoch 1.2 of 5, step 100, ")


def test_a_file_that_cannot_be_read_now_leaves_the_state_as_it_was(tmp_path: Path) -> None:
    path = write(tmp_path, LINES)
    state = state_of(path, TrainConfig(epochs=5))
    path.write_text("{...}\n")
    state.read(path)
    assert state.share == 0.25


def test_the_last_line_is_shown_even_where_the_training_ends_at_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", logger="recsys_platform.progress_output")
    with shown_training(TrainConfig(epochs=5), tmp_path):
        append_json_line(tmp_path / METRICS_FILE, {"step": 400, "epoch": 5.0, "minutes": 0.5, "train/loss": 0.75})
    assert caplog.messages == ["training: 100 %, epoch 5.0 of 5, step 400, loss 0.75, in 30 s"]
