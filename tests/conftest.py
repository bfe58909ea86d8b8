"""What tests share: one Ray cluster, a tiny bundle, and the test material that lies beside the project."""

import os
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
import torch

from recsys_model.backbones.glm import GLM
from recsys_model.bundle import Bundle, BundleSettings
from recsys_model.config import DecodingConfig, GLMConfig, TextConfig, WindowConfig
from recsys_model.entities.catalog import build_catalog, make_unique_texts
from recsys_model.text.tokenizer import train_tokenizer

# how long an example takes says nothing about what it shows
hypothesis.settings.register_profile("recsys", deadline=None)
hypothesis.settings.load_profile("recsys")

SHARED = Path(__file__).resolve().parents[2] / "shared"


def _folder(name: str) -> Path:
    folder = SHARED / name
    if not folder.is_dir():
        pytest.skip(f"the shared folder {name!r} does not lie beside the project")
    return folder


@pytest.fixture(scope="session")
def ray_cluster() -> Iterator[None]:
    """Four logical CPUs, so that two workers and what feeds them fit; joined by no other process."""
    import ray  # here, for `tests/gpu` runs where there is none

    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    ray.init(address="local", num_cpus=4, include_dashboard=False)
    yield
    ray.shutdown()


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real interaction tables."""
    return _folder("data")


@pytest.fixture(scope="session")
def shared_oracle() -> Path:
    """Vectors of the published GLM code."""
    return _folder("oracle")


@pytest.fixture(scope="session")
def shared_k8s() -> Path:
    """Strict schemas of the Kubernetes kinds."""
    return _folder("k8s")


@pytest.fixture(scope="session")
def shop_bundle() -> Bundle:
    """A bundle with random weights and items `i0`..`i7`: one title begins another, two are equal, one is empty."""
    titles = ["Red Tent", "Red Tent Pole", "Blue Tent", "Camping Stove", "Stove Fuel", "Lamp", "Lamp", ""]
    item_ids = [f"i{index}" for index in range(len(titles))]
    texts, _ = make_unique_texts(titles, ["Acme"] * len(titles), [["camping"]] * len(titles), item_ids)
    tokenizer = train_tokenizer([*texts, "User: age 25, city Berlin. History:"], vocab_size=320)
    settings = BundleSettings(
        window=WindowConfig(max_history=4),
        text=TextConfig(max_tokens=128),
        decoding=DecodingConfig(num_beams=10),
        intra_mode="paper",
        user_features=("age", "city", "member"),
        seed=3,
    )
    geometry = GLMConfig(
        num_layers=2, hidden_size=16, num_heads=2, vocab_size=tokenizer.vocab_size, max_sequence_length=128
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = GLM(geometry).eval()
    catalog = build_catalog(item_ids, titles, texts, ["Berlin", "25"], tokenizer)
    return Bundle(model=model, tokenizer=tokenizer, catalog=catalog, settings=settings)
