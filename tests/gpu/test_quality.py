"""The quality script goes through every stage at tiny size on a CPU, and keeps what it has when the time is up."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytest.importorskip("ray", reason="the stages run on Ray")

from recsys_model.errors import DataError
from tests.gpu import quality, quality_run
from tests.gpu.nvidia import GpuWatch
from tests.gpu.quality_record import Record, as_table, training_figures

ROOT = Path(__file__).resolve().parents[2]


def run_tiny(tmp_path: Path, *further: str) -> tuple[subprocess.CompletedProcess[str], dict]:
    command = [sys.executable, "-m", "tests.gpu.quality", "--size", "tiny", "--out", str(tmp_path / "out")]
    path = os.pathsep.join([str(ROOT), str(ROOT / "platform"), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [*command, "--json", str(tmp_path / "figures.json"), *further],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    return done, json.loads((tmp_path / "figures.json").read_text(encoding="utf-8"))


@pytest.mark.e2e
@pytest.mark.timeout(900)
def test_a_tiny_run_goes_through_every_stage_and_tells_its_figures(tmp_path: Path) -> None:
    done, figures = run_tiny(tmp_path, "--minutes", "14")

    assert done.returncode == 0, done.stderr[-3000:]
    assert figures["finished"]
    assert figures["stopped"] is None
    assert (figures["device"], figures["layout"], figures["notes"]) == ("CPU", "packed", [])
    assert list(figures["seconds"]) == ["weights", "data", "train", "evaluate entity", "evaluate blend"]
    assert figures["settings"]["train"]["precision"] == "bf16"
    training = figures["training"]
    assert training["epoch"] == 2.0
    assert training["tokens_per_s"] > training["item_targets_per_s"] > 0
    assert training["validations"][-1]["step"] == training["step"]
    assert figures["flops_a_token"] > 0
    assert 0 < figures["parameters"]["num_trainable_parameters"] < figures["parameters"]["num_parameters"]
    for scoring in ("entity", "blend"):
        found = figures["evaluation"][scoring]
        assert found["num_users"] == 20
        assert 0.0 <= found["metrics"]["recsysllm"]["ndcg_at_10"]["value"] <= 1.0
    assert as_table(figures) in done.stdout


def test_without_time_for_the_first_stage_the_record_says_so(tmp_path: Path) -> None:
    options = quality.parse_options(
        ["--size", "tiny", "--minutes", "1", "--out", str(tmp_path / "out"), "--json", str(tmp_path / "figures.json")]
    )

    figures = quality.Quality(options, started=time.monotonic() - 50).run()

    assert not figures["finished"]
    assert figures["stopped"].startswith("no time is left for weights")
    assert json.loads((tmp_path / "figures.json").read_text(encoding="utf-8")) == figures


def test_a_record_on_disk_is_whole_after_every_change(tmp_path: Path) -> None:
    record = Record(tmp_path / "new" / "figures.json")
    record.update(size="tiny")
    record.note("packed rows failed")
    on_disk = json.loads((tmp_path / "new" / "figures.json").read_text(encoding="utf-8"))
    assert on_disk == {"finished": False, "stopped": None, "notes": ["packed rows failed"], "size": "tiny"}
    assert as_table(on_disk).endswith("packed rows failed")


def test_speeds_of_a_training_leave_out_the_window_in_which_kernels_are_compiled(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    lines = [
        {
            "step": step,
            "epoch": step / 10,
            "minutes": step,
            "train/loss": 5.0 - step,
            "train/tokens_per_s": tokens_per_s,
            "train/item_targets_per_s": tokens_per_s / 20,
            "train/data_wait_share": 0.5,
        }
        for step, tokens_per_s in ((1, 2.0), (2, 100.0), (3, 300.0))
    ]
    lines.append({"step": 3, "epoch": 0.3, "minutes": 3, "eval/hr_at_10": 0.5, "eval/ndcg_at_10": 0.25})
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")

    assert training_figures(path) == {
        "step": 3,
        "epoch": 0.3,
        "minutes": 3,
        "tokens_per_s": 200.0,
        "item_targets_per_s": 10.0,
        "data_wait_share": 0.5,
        "last_loss": 2.0,
        "validations": [{"step": 3, "minutes": 3, "hr_at_10": 0.5, "ndcg_at_10": 0.25}],
    }
    assert training_figures(tmp_path / "nothing.jsonl") is None


def test_a_gpu_is_watched_stage_by_stage() -> None:
    readings, told = iter([(0.5, 10.0), (1.0, 30.0)]), []
    watch = GpuWatch(lambda: told.append(1), lambda: next(readings, None), period_s=0.01, tell_every=2)
    watch.stage = "train"
    with watch:
        while not told:
            time.sleep(0.01)
    figures = watch.figures()
    assert figures is not None
    assert (figures["peak_memory_gib"], figures["busy"]) == (30.0, {"train": 0.75})
    assert GpuWatch(lambda: None, lambda: None).figures() is None


def test_what_is_missing_is_named_with_the_way_out(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"interactions\.parquet and items\.parquet must lie in .*--data"):
        quality_run.find_tables("smollm2-135m", tmp_path, tmp_path)
    with pytest.raises(DataError, match="0 lists of parts; make them with --split-weights"):
        quality_run.find_model("smollm2-135m", tmp_path, tmp_path)


def test_weights_are_split_into_parts_of_at_most_60_mib(tmp_path: Path) -> None:
    (tmp_path / "model.gguf").write_bytes(b"weights")
    assert quality.main(["--split-weights", str(tmp_path / "parts"), "--weights", str(tmp_path / "model.gguf")]) == 0
    names = sorted(path.name for path in (tmp_path / "parts").iterdir())
    assert names == ["model.gguf.part-1-of-1", "model.gguf.parts.json"]


def test_the_full_size_asks_for_all_targets_of_a_row_in_packed_bf16_rows_with_adapters_and_head(tmp_path: Path) -> None:
    run = quality_run.build_run("smollm2-135m", tmp_path, tmp_path / "model", tmp_path / "tables", use_gpu=True)
    assert (run.train.precision, run.train.packed_row_tokens, run.train.use_gpu) == ("bf16", 2048, True)
    assert (run.lora.enabled, run.entity.enabled, run.objective.next_item_target) == (True, True, "all")
    assert (run.evaluate.num_users, run.seed, run.evaluate.use_gpu) == (5000, 0, True)
