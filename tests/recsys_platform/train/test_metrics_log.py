import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from recsys_model.config import ObjectiveConfig
from recsys_platform.file_names import METRICS_FILE
from recsys_platform.json_lines import read_json_lines
from recsys_platform.train.engine import StepResult
from recsys_platform.train.metrics import TENSORBOARD, MetricsLog, StepWindow
from recsys_platform.train.progress import Progress


def progress_at(step: int, elapsed_s: float) -> Progress:
    progress = Progress(num_steps=8)
    progress.start(step, elapsed_s)
    return progress


def test_metrics_are_written_with_step_epoch_and_minutes(tmp_path):
    log = MetricsLog(tmp_path, progress_at(2, 30.0), steps_per_epoch=4)
    log.write({"train/loss": 1.5})
    log.close()

    assert read_json_lines(tmp_path / METRICS_FILE) == [{"step": 2, "epoch": 0.5, "minutes": 0.5, "train/loss": 1.5}]
    board = EventAccumulator(str(tmp_path / TENSORBOARD))
    board.Reload()
    assert [(event.step, event.value) for event in board.Scalars("train/loss")] == [(2, 1.5)]


def test_lines_behind_the_checkpoint_are_taken_back_and_a_torn_one_is_dropped(tmp_path):
    lines = '{"step": 2, "train/loss": 3.0}\n{"step": 4, "train/loss": 2.0}\n{"step": 5, "trai'
    (tmp_path / METRICS_FILE).write_text(lines)

    MetricsLog(tmp_path, progress_at(3, 0.0), steps_per_epoch=4).close()

    assert read_json_lines(tmp_path / METRICS_FILE) == [{"step": 2, "train/loss": 3.0}]


def test_a_window_gives_the_mean_loss_of_a_target_and_the_last_rate():
    window = StepWindow()
    window.add(step_result(6.0, 0.0, 4, 0, 100, 0.5), 0.1, seconds=2.0, waited_s=0.5)
    window.add(step_result(2.0, 0.0, 6, 0, 60, 0.25), 0.2, seconds=2.0, waited_s=0.1)

    assert window.token_loss_sum == 8.0
    assert window.metrics(20.0, 0.0, ObjectiveConfig()) == {
        "train/loss": pytest.approx(2.0),
        "train/learning_rate": 0.2,
        "train/grad_norm": 0.25,
        "train/tokens_per_s": pytest.approx(40.0),
        "train/data_wait_share": pytest.approx(0.15),
    }


def test_with_an_entity_head_the_loss_is_the_weighted_sum_of_both_means():
    window = StepWindow()
    window.add(step_result(6.0, 9.0, 4, 3, 100, 0.5), 0.1, seconds=2.0, waited_s=0.0)

    metrics = window.metrics(6.0, 9.0, ObjectiveConfig(token_loss_weight=0.5, entity_loss_weight=2.0))

    assert metrics["train/token_loss"] == pytest.approx(1.5)
    assert metrics["train/entity_loss"] == pytest.approx(3.0)
    assert metrics["train/loss"] == pytest.approx(0.5 * 1.5 + 2.0 * 3.0)
    assert metrics["train/item_targets_per_s"] == pytest.approx(1.5)


def step_result(token: float, entity: float, targets: int, items: int, tokens: int, norm: float) -> StepResult:
    return StepResult(
        token_loss_sum=token,
        entity_loss_sum=entity,
        num_targets=targets,
        num_item_targets=items,
        num_tokens=tokens,
        grad_norm=norm,
    )
