"""ChatGLM-6B's and the Chinese GLMs' kinds of vocabulary through the stages: from Chinese tables to recommendations.

The SentencePiece models are trained here on Chinese text. As the published ones do, they turn full-width forms into
half-width ones and know no rare character, so different titles can have equal tokens.
"""

import csv
import io
import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from recsys_model.entities.catalog import load_catalog
from recsys_model.text.templates import load_templates
from recsys_model.text.tokenizer import Tokenizer, load_tokenizer
from recsys_platform.config.run import RunConfig, build_config
from recsys_platform.data.stage import run_data
from recsys_platform.file_names import METRICS_FILE
from recsys_platform.json_lines import read_json_lines
from recsys_platform.serve.bundling import run_bundle
from recsys_platform.serve.recommender import load_recommender
from recsys_platform.serve.schemas import RecommendRequest, RecommendResponse
from recsys_platform.train.stage import run_train
from tests.recsys_platform.tiny_dataset import SEQUENCES

spm = pytest.importorskip("sentencepiece")
sentencepiece_model_pb2 = pytest.importorskip("sentencepiece.sentencepiece_model_pb2")

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]

TITLES = [
    "华为 Mate60 手机壳（黑色）",
    "ＡＢＣ帐篷　２人",
    "ABC帐篷 2人",
    "USB-C充电线 1.5米",
    "小米14钢化膜",
    "Nike耐克运动鞋42码",
    "𠮷祥牛肉饭",
    "😀贴纸",
    "🎸贴纸",
    "３Ｍ防护口罩，50只",
    "纯棉T恤·白。加大！",
    "苹果（Apple）iPad保护套",
]
CITIES = ("北京", "上海", "广州")
COMMANDS = ["[MASK]", "[gMASK]", "[sMASK]", "<unused_0>", "<sop>", "<eop>", "<ENC>", "<dBLOCK>"]
CHINESE_GLM = ["<|endoftext|>", "[SEP]", "[CLS]", "[MASK]", "[UNUSED1]", "[UNUSED2]"]
CHINESE_GLM += ["<|startofpiece|>", "<|endofpiece|>", "[sMASK]", "[gMASK]"]


def trained_model() -> bytes:
    """A model of Chinese text without bytes, so characters that it has not read are unknown."""
    texts = [title for title in TITLES if "贴纸" not in title] + [t.text for t in load_templates("zh").templates]
    out = io.BytesIO()
    spm.SentencePieceTrainer.train(
        sentence_iterator=iter([*texts, *CITIES, "用户：城市。历史：评分是否", "(item-0123456789)"] * 20),
        model_writer=out,
        model_type="unigram",
        vocab_size=900,
        pad_id=3,
        character_coverage=1.0,
        user_defined_symbols=["<n>", "贴纸"],
        hard_vocab_limit=False,
        minloglevel=2,
    )
    return out.getvalue()


def write_chatglm(folder: Path) -> None:
    proto = sentencepiece_model_pb2.ModelProto.FromString(trained_model())
    for name in [*COMMANDS, "<|tab|>", *(f"<|blank_{size}|>" for size in range(2, 81))]:
        proto.pieces.add(piece=name, score=0.0, type=4)
    (folder / "ice_text.model").write_bytes(proto.SerializeToString())
    (folder / "tokenizer_config.json").write_text(json.dumps({"num_image_tokens": 5}))


def write_chinese_glm(folder: Path) -> None:
    model = trained_model()
    size = spm.SentencePieceProcessor(model_proto=model).get_piece_size()
    (folder / "cog-pretrain.model").write_bytes(model)
    added = {name: size + place for place, name in enumerate(CHINESE_GLM)}
    (folder / "added_tokens.json").write_text(json.dumps(added))


def write_tables(folder: Path) -> dict[str, Any]:
    events = [
        (user, f"item-{item:02d}", 86400 * place, 1 + (item + place) % 5)
        for user, items in SEQUENCES.items()
        for place, item in enumerate(items)
    ]
    tables = {
        "interactions": (("user_id", "item_id", "timestamp", "rating"), events),
        "items": (("item_id", "title"), [(f"item-{index:02d}", title) for index, title in enumerate(TITLES)]),
        "users": (("user_id", "城市"), [(user, CITIES[place % 3]) for place, user in enumerate(SEQUENCES)]),
    }
    for name, (header, rows) in tables.items():
        with (folder / f"{name}.csv").open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([header, *rows])
    return {name: {"path": str(folder / f"{name}.csv")} for name in tables}


@pytest.fixture(scope="module", params=["chatglm", "glm"])
def trained(request: pytest.FixtureRequest, ray_cluster: None, tmp_path_factory: pytest.TempPathFactory) -> RunConfig:
    """A run whose data and train stages are done."""
    folder = tmp_path_factory.mktemp(request.param)
    {"chatglm": write_chatglm, "glm": write_chinese_glm}[request.param](folder)
    document = {
        "name": request.param,
        "storage": str(folder),
        "input": write_tables(folder),
        "data": {"num_blocks": 1, "max_leak_share": 1.0, "targets_per_user": 0},
        "tokenizer": {"path": str(folder)},
        "text": {"max_tokens": 160, "language": "zh", "behaviour_fields": ["rating"]},
        "tasks": {"template_share": 0.5, "sequential_weight": 1.0, "rating_weight": 1.0, "direct_weight": 1.0}
        | {"num_candidates": 3},
        "model": {
            "family": request.param,
            "num_layers": 1,
            "hidden_size": 32,
            "num_heads": 2,
            "max_sequence_length": 160,
        },
        "lora": {"enabled": False},
        "optimizer": {"learning_rate": 0.01},
        "train": {"epochs": 4, "batch_size": 8, "num_workers": 1, "log_every_steps": 1, "max_failures": 0},
        "decoding": {"num_beams": 12},
    }
    config = build_config(document)
    run_data(config)
    run_train(config)
    return config


def tokenizer_of(config: RunConfig) -> Tokenizer:
    return load_tokenizer(config.dataset_folder / "tokenizer")


def test_every_item_has_tokens_of_its_own_and_its_title_as_it_was(trained: RunConfig) -> None:
    items = load_catalog(trained.dataset_folder).items
    assert [item.title for item in items] == TITLES
    assert len({tuple(item.token_ids) for item in items}) == len(TITLES)
    # what the vocabulary cannot tell apart is told apart by the id
    changed = [item.text for item in items if item.text.endswith(")") and "item-" in item.text]
    assert changed == ["ＡＢＣ帐篷 ２人 (item-01)", "ABC帐篷 2人 (item-02)", "😀贴纸 (item-07)", "🎸贴纸 (item-08)"]


def test_texts_are_chinese_and_each_behaviour_is_a_sentence(trained: RunConfig) -> None:
    row = pq.read_table(trained.dataset_folder / "examples" / "test").to_pylist()[0]
    tokenizer = tokenizer_of(trained)
    # the normalisation of the vocabulary makes the full-width colon and comma half-width
    assert tokenizer.decode(row["token_ids"]).startswith("用户:城市 ")
    starts = [0, *row["sentence_ends"][:-1]]
    sentences = [tokenizer.decode(row["token_ids"][a:b]) for a, b in zip(starts, row["sentence_ends"], strict=True)]
    assert all(sentence.endswith("。") for sentence in sentences[:-1])
    assert all(",评分" in sentence for sentence in sentences[1:-1])
    assert len(sentences) == 1 + len([item for item in row["entity_items"] if item >= 0])


def test_training_lowers_the_loss(trained: RunConfig) -> None:
    lines = read_json_lines(trained.checkpoint_folder / METRICS_FILE)
    losses = [line["train/loss"] for line in lines if "train/loss" in line]
    assert sum(losses[-3:]) < sum(losses[:3])


def test_the_bundle_recommends_every_item_by_titles_in_any_width(trained: RunConfig) -> None:
    run_bundle(trained)
    recommender = load_recommender(trained.bundle_folder)
    history = [{"item": title, "time": 86400.0 * place} for place, title in enumerate(TITLES[1:3])]
    asked = {"history": history, "user_features": {"城市": "北京"}, "k": 10, "time": 1e6}
    (answer,) = recommender.recommend([RecommendRequest.model_validate(asked)])
    assert isinstance(answer, RecommendResponse), answer
    assert sorted(item.title for item in answer.items) == sorted({*TITLES} - {*TITLES[1:3]})
