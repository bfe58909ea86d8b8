"""The whole way on a real Ray: two variants trained, evaluated and compared, and generation without the trie."""

import json

import pyarrow.parquet as pq
import pytest

from recsys_model.entities.catalog import load_catalog
from recsys_platform.ablate.stage import run_ablate
from recsys_platform.artifacts import open_artifact
from tests.recsys_platform.tiny_dataset import SEQUENCES, tiny_config, write_tiny_dataset


@pytest.mark.e2e
def test_two_variants_and_free_generation_from_dataset_to_table(ray_cluster, tmp_path):
    config = tiny_config(
        tmp_path,
        train={"num_workers": 1, "batch_size": 12, "epochs": 2},
        evaluate={"num_workers": 1, "num_users": 20},
        optimizer={"learning_rate": 0.01},
        seed=7,
    )
    write_tiny_dataset(config)

    result = run_ablate(config, seeds=[1], only=["intra-glm", "free-generation"])

    assert result["failed"] == {}
    runs = config.folder / "ablate"
    assert {path.name for path in runs.iterdir()} == {"base-s1", "intra-glm-s1", "free-generation-s1"}
    users = {name: read(runs / name)["user_id"] for name in ("base-s1", "intra-glm-s1", "free-generation-s1")}
    # twenty users drawn by the seed of the base, whatever the seed of the training
    assert len(users["base-s1"]) == 20
    assert users["base-s1"] == users["intra-glm-s1"] == users["free-generation-s1"]
    checkpoint = open_artifact(runs / "intra-glm-s1" / "checkpoint", "checkpoint")
    assert checkpoint.config["objective"]["intra_mode"] == "glm"
    assert (checkpoint.config["seed"], checkpoint.counts["steps"]) == (1, 4)
    document = json.loads((config.folder / "ablation" / "ablation.json").read_text())
    assert [row["variant"] for row in document["rows"]] == ["base", "intra-glm"]
    check_free_generation(document["free_generation"], read(runs / "free-generation-s1"), config)
    before = {name: open_artifact(runs / name / "evaluation", "evaluation").created for name in users}
    assert run_ablate(config, seeds=[1], only=["intra-glm", "free-generation"])["rows"] == result["rows"]
    assert before == {name: open_artifact(runs / name / "evaluation", "evaluation").created for name in users}


def read(run):
    return pq.read_table(run / "evaluation" / "ranks.parquet").to_pydict()


def check_free_generation(free, table, config):
    """Count places again from the table."""
    num_items = len(load_catalog(config.dataset_folder).items)
    places = [item for items in table["recommended"] for item in items]
    assert len(places) == 200
    assert all(-1 <= item < num_items for item in places)
    assert free["invalid_share"] == pytest.approx(places.count(-1) / 200)
    targets = [SEQUENCES[user][-1] for user in table["user_id"]]
    assert table["target_item"] == targets
    hits = sum(target in items for target, items in zip(targets, table["recommended"], strict=True))
    assert free["metrics"]["free"]["hr_at_10"]["mean"] == pytest.approx(hits / 20)
