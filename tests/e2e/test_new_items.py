"""`recsys new-items` on a real Ray: data without the items, training, an endpoint, the edit over HTTP, the report."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from ray import serve

from recsys_model.errors import CheckpointError
from recsys_platform.artifacts import open_artifact
from recsys_platform.cli.summaries import of_new_items
from recsys_platform.config.run import RunConfig, build_config
from recsys_platform.newcomers.stage import run_new_items
from tests.e2e.ports import free_port

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("ray_cluster")]

NUM_ITEMS = 20


@pytest.fixture
def config(tmp_path: Path) -> RunConfig:
    interactions = [
        {"user_id": f"u{user}", "item_id": f"i{(user * 7 + event * 3) % NUM_ITEMS}", "timestamp": 100.0 * event + user}
        for user in range(40)
        for event in range(6)
    ]
    colours = ("Red", "Blue", "Green", "Grey", "Pink")
    things = ("Tent", "Tent Pole", "Stove", "Lamp")
    titles = [f"{colour} {thing}" for colour in colours for thing in things]
    items = [{"item_id": f"i{number}", "title": title} for number, title in enumerate(titles)]
    pq.write_table(pa.Table.from_pylist(interactions), tmp_path / "interactions.parquet")
    pq.write_table(pa.Table.from_pylist(items), tmp_path / "items.parquet")
    return build_config(
        {
            "name": "shop",
            "storage": str(tmp_path / "runs"),
            "seed": 3,
            "input": {name: {"path": str(tmp_path / f"{name}.parquet")} for name in ("interactions", "items")},
            "data": {"new_items": 0.2, "max_leak_share": 1.0},
            "tokenizer": {"vocab_size": 320},
            "text": {"max_tokens": 96},
            "lora": {"enabled": False},
            "model": {"num_layers": 1, "hidden_size": 16, "num_heads": 2, "max_sequence_length": 96},
            "entity": {"enabled": True},
            "decoding": {"scoring": "entity", "num_beams": 10},
            "train": {"num_workers": 1, "batch_size": 8, "epochs": 2},
            "evaluate": {"num_users": 12, "bootstrap_samples": 50},
            "serve": {"port": free_port(), "max_replicas": 1, "cpus_per_replica": 0.5},
        }
    )


def test_new_items_are_recommended_after_the_edit_and_never_before(config: RunConfig):
    result = run_new_items(config)
    folder = Path(result["report"])
    assert folder == config.folder / "new-items" / "report"
    manifest = open_artifact(folder, "new_items")
    assert (result["items"]["new"], result["items"]["all"]) == (4, NUM_ITEMS)
    assert (result["seconds"]["replicas"], result["seconds"]["pending"]) == (1, 0)
    assert result["seconds"]["all_replicas"] > 0.0
    assert result["recall"]["before"]["hr_at_10"]["value"] == 0.0
    # with four new items, each of them is among the ten best of these alone
    assert result["among_new"]["metrics"]["hr_at_10"]["value"] == 1.0
    assert manifest.counts["recall"] == result["recall"]
    report = json.loads((folder / "report.json").read_text())
    assert report["recall"] == result["recall"]
    assert all((folder / name).stat().st_size > 0 for name in ("report.html", "report.md"))

    new_ids = {
        json.loads(line)["id"]
        for line in (config.folder / "new-items/dataset/new_items/items.jsonl").read_text().splitlines()
    }
    rows = pq.read_table(folder / "ranks.parquet").to_pylist()
    of_new = [row for row in rows if row["is_new"]]
    assert len(of_new) == result["users"]["of_new"] > 0
    assert all((row["target_item"] in new_ids) == row["is_new"] for row in rows)
    # ten of twenty items less the history: an untrained model shows new ones, too
    shown = {item for row in rows for item in row["recommended"]} & new_ids
    assert shown
    assert result["seconds"]["first_shown"] is not None
    recalled = sum(1 <= row["rank_after"] <= 10 for row in of_new) / len(of_new)
    assert result["recall"]["after"]["hr_at_10"]["value"] == pytest.approx(recalled)
    assert "recall@10" in of_new_items(result)
    assert "recsys" not in serve.status().applications

    with pytest.raises(CheckpointError, match="exists already; pass --overwrite"):
        run_new_items(config)
