"""The Chinese demo shop through the stages at tiny size, with questions of all task families."""

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from recsys_model.text.tasks import TASKS
from recsys_model.text.tokenizer import load_tokenizer
from recsys_platform.config.run import RunConfig, load_config
from recsys_platform.data.stage import run_data
from recsys_platform.demo.shop import write_demo_shop
from recsys_platform.evaluate.stage import run_evaluate
from recsys_platform.train.stage import run_train

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]

RUN_FILE = Path(__file__).resolve().parents[2] / "ray_configs" / "laptop" / "demo-zh.yaml"
CHANGES = (
    "data.targets_per_user=2",
    "data.num_blocks=2",
    "tokenizer.vocab_size=1200",
    "model.num_layers=1",
    "model.hidden_size=16",
    "train.num_workers=1",
    "train.max_minutes=null",
    "train.epochs=1",
    "generation.max_tokens=12",
    "evaluate.num_workers=1",
    "evaluate.task_users=6",
    "evaluate.num_users=12",
    "evaluate.bootstrap_samples=50",
)


@pytest.fixture(scope="module")
def evaluated(ray_cluster: None, tmp_path_factory: pytest.TempPathFactory) -> tuple[RunConfig, dict[str, Any]]:
    """The shipped run made tiny, after data, train and evaluate, and its report."""
    storage = tmp_path_factory.mktemp("chinese")
    write_demo_shop(storage / "demo-shop-zh", num_users=40, num_items=120, language="zh")
    config = load_config(RUN_FILE, [f"storage={storage}", *CHANGES])
    run_data(config)
    run_train(config)
    run_evaluate(config)
    return config, json.loads((config.evaluation_folder / "report.json").read_text(encoding="utf-8"))


def test_texts_of_the_dataset_are_chinese(evaluated: tuple[RunConfig, dict[str, Any]]) -> None:
    dataset = evaluated[0].dataset_folder
    tokenizer = load_tokenizer(dataset / "tokenizer")
    row = pq.read_table(dataset / "examples" / "test").to_pylist()[0]
    text = tokenizer.decode(row["token_ids"])
    assert text.startswith("用户：城市 ")
    assert "。历史： " in text
    sentences = [tokenizer.decode(row["token_ids"][: row["sentence_ends"][0]]), text]
    assert sentences[0].endswith("。")
    assert "，年龄段 " in sentences[0]
    counts = json.loads((dataset / "manifest.json").read_text(encoding="utf-8"))["counts"]
    assert counts["rejects"] == {"interactions": {}, "items": {}, "users": {}}
    assert counts["tasks"]["explanations"]["feature_words"] > 0
    assert "很, 非常" in counts["tasks"]["explanations"]["statement"]
    assert all(counts["tasks"]["train"][task] > 0 for task in TASKS)


def test_every_task_is_asked_and_measured_in_chinese(evaluated: tuple[RunConfig, dict[str, Any]]) -> None:
    config, report = evaluated
    rows = pq.read_table(config.evaluation_folder / "tasks.parquet").to_pylist()
    assert {row["task"] for row in rows} == set(TASKS)
    for row in rows:
        assert any("\u4e00" <= character <= "\u9fff" for character in row["question"]), row["question"]
        assert "�" not in row["question"], "a character was cut"
        assert not row["answer"].endswith("�"), "a character was cut"
    assert {row["truth"] for row in rows if row["task"] == "direct_yes_no"} == {"是", "否"}
    free = [entry for entry in report["tasks"] if "rouge_l" in entry["metrics"].get("recsysllm", {})]
    assert {entry["task"] for entry in free} == {"explanation", "explanation_hint", "review_summary"}
    for entry in free:
        assert any("tokens zh" in statement for statement in entry["statements"])
        assert not any("ROUGE" in warning for warning in entry.get("warnings", []))
        # the headline of another review of the same shop shares characters with the true one
        assert entry["metrics"]["most_frequent"]["rouge_1"]["value"] > 0.0


def test_reports_show_chinese_as_it_is(evaluated: tuple[RunConfig, dict[str, Any]]) -> None:
    folder = evaluated[0].evaluation_folder
    titles = pq.read_table(evaluated[0].input.items.path)["title"].to_pylist()
    for name in ("report.md", "report.html", "report.json"):
        text = (folder / name).read_text(encoding="utf-8")
        assert any(title in text for title in titles)
