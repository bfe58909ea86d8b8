"""From settings to bundle with every family, and pairings that cannot work."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel

from recsys_model.backbones.base import Backbone, FullAttention
from recsys_model.backbones.causal import CausalDecoder
from recsys_model.backbones.chatglm import ChatGLM
from recsys_model.backbones.checkpoint import write_model
from recsys_model.backbones.glm import GLM
from recsys_model.bundle import Bundle, load_bundle, write_bundle
from recsys_model.decoding.generator import TrieGuidedGenerator
from recsys_model.errors import CheckpointError, ConfigError
from recsys_model.infilling.prompt import build_prompt
from recsys_model.text.textualize import Behaviour, Textualizer
from recsys_platform.checkpoints import BASE_FILE, folder_digest, load_trained_model
from recsys_platform.config.run import RunConfig, build_config
from recsys_platform.train.model import build_model, check_model, verified_digest, write_trained
from tests.recsys_model.backbones.tiny_backbones import NAMES, tiny_backbone

SMALL = {"num_layers": 2, "hidden_size": 16, "num_heads": 2, "max_sequence_length": 128}
FAMILY_OF = {"glm": "glm", "chatglm": "chatglm"}


def run(storage: Path, model: dict[str, Any], **sections: Any) -> RunConfig:
    table = {"path": "/nowhere/table.csv"}
    document = {"name": "shop", "storage": str(storage), "input": {"interactions": table, "items": table}}
    rest = {"text": {"max_tokens": 128}, "lora": {"enabled": False}, **sections}
    return build_config({**document, "model": model, **rest})


def output(model: Backbone | PeftModel) -> torch.Tensor:
    ids = torch.arange(6)[None]
    attention = FullAttention(model.visible(torch.tensor([4]), 6))
    with torch.no_grad():
        return model.logits(model.eval()(ids, ids, ids, attention))


@pytest.mark.parametrize(("family", "cls"), [("glm", GLM), ("chatglm", ChatGLM), ("causal", CausalDecoder)])
def test_a_new_model_of_every_family_has_the_sizes_of_the_settings(tmp_path: Path, family: str, cls: type) -> None:
    model = build_model(run(tmp_path, {"family": family, **SMALL}), vocab_size=50)
    assert type(model) is cls
    geometry = model.config
    assert (geometry.vocab_size, geometry.hidden_size, geometry.max_sequence_length) == (50, 16, 128)
    again = build_model(run(tmp_path, {"family": family, **SMALL}), vocab_size=50)
    assert all(torch.equal(one, two) for one, two in zip(model.parameters(), again.parameters(), strict=True))


@pytest.mark.parametrize("name", NAMES)
def test_an_adapter_is_trained_written_and_merged_back_with_its_mask(tmp_path: Path, name: str) -> None:
    write_model(tmp_path / "base", tiny_backbone(name, num_positions=128))
    mask = {"mask": "causal"} if name == "llama prefix" else {}
    settings = {"family": FAMILY_OF.get(name, "causal"), "weights": str(tmp_path / "base"), **mask}
    config = run(tmp_path, settings, lora={"enabled": True, "rank": 2})
    adapted = build_model(config, vocab_size=32)
    assert isinstance(adapted, PeftModel)
    for number, (_, parameter) in enumerate(adapted.named_parameters()):
        if parameter.requires_grad:
            torch.nn.init.normal_(parameter, std=0.3, generator=torch.Generator().manual_seed(number))

    write_trained(tmp_path / "checkpoint", adapted)
    base = {"path": str(tmp_path / "base"), "digest": verified_digest(tmp_path / "base"), "mask": config.model.mask}
    (tmp_path / "checkpoint" / BASE_FILE).write_text(json.dumps(base))

    merged = load_trained_model(tmp_path / "checkpoint")
    assert merged.part_a_is_causal == ("causal" in name or bool(mask))
    torch.testing.assert_close(output(merged), output(adapted), atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("name", NAMES)
def test_a_bundle_of_every_family_recommends_after_loading_what_it_did_before(
    tmp_path: Path, name: str, shop_bundle: Bundle
) -> None:
    tokenizer, catalog, settings = shop_bundle.tokenizer, shop_bundle.catalog, shop_bundle.settings
    model = tiny_backbone(name, tokenizer.vocab_size, num_positions=128)
    write_bundle(tmp_path / "bundle", model, tokenizer, catalog, settings)
    loaded = load_bundle(tmp_path / "bundle")
    text = Textualizer(tokenizer, catalog, settings.text).build({"age": "25"}, [Behaviour(item=2, timestamp=0.0)])
    prompt = build_prompt(text, tokenizer.special)
    answers = [
        TrieGuidedGenerator(each, catalog, tokenizer.special, settings.decoding).recommend([prompt], 8)[0]
        for each in (model, loaded.model)
    ]
    assert [answer.item for answer in answers[1]] == [answer.item for answer in answers[0]]
    assert [answer.score for answer in answers[1]] == pytest.approx([a.score for a in answers[0]], abs=1e-5)
    assert sorted(answer.item for answer in answers[0]) == list(range(8))


def test_weights_of_another_family_than_named_are_refused(tmp_path: Path) -> None:
    write_model(tmp_path / "base", tiny_backbone("chatglm", num_positions=128))
    config = run(tmp_path, {"weights": str(tmp_path / "base")})
    with pytest.raises(ConfigError, match=r"model\.family is glm, but .* holds a chatglm model; set model\.family to"):
        check_model(config, vocab_size=32)


@pytest.mark.parametrize("name", NAMES)
def test_a_tokenizer_or_text_that_is_too_large_for_the_weights_is_refused(tmp_path: Path, name: str) -> None:
    write_model(tmp_path / "base", tiny_backbone(name, num_positions=64))
    settings = {"family": FAMILY_OF.get(name, "causal"), "weights": str(tmp_path / "base")}
    with pytest.raises(ConfigError, match=r"tokenizer has 33 tokens and the model only 32; set tokenizer\.path"):
        check_model(run(tmp_path, settings, text={"max_tokens": 64}), vocab_size=33)
    with pytest.raises(ConfigError, match=r"text\.max_tokens must be at most the model's max_sequence_length 64, got"):
        check_model(run(tmp_path, settings, text={"max_tokens": 65}), vocab_size=32)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ({"mask": "causal"}, r"model\.mask is for model\.family causal, got 'causal' for glm"),
        ({"family": "chatglm", "dropout": 0.1}, r"model\.dropout is for model\.family glm, got 0\.1 for chatglm"),
        ({"family": "llama"}, r"model\.family: Input should be 'glm', 'chatglm' or 'causal', got 'llama'"),
    ],
)
def test_settings_of_another_family_are_refused(tmp_path: Path, model: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        run(tmp_path, model)


@pytest.mark.parametrize("family", ["chatglm", "causal"])
def test_heads_that_cannot_be_rotated_are_refused(tmp_path: Path, family: str) -> None:
    config = run(tmp_path, {"family": family, **SMALL, "hidden_size": 6, "num_heads": 2})
    with pytest.raises(ConfigError, match=r"hidden_size must be a multiple of . \* num_heads"):
        check_model(config, vocab_size=50)


def test_the_new_mask_is_the_one_of_the_settings(tmp_path: Path) -> None:
    for mask, is_causal in (("causal", True), ("prefix", False), (None, False)):
        model = build_model(run(tmp_path, {"family": "causal", "mask": mask, **SMALL}), vocab_size=50)
        assert model.part_a_is_causal is is_causal


def test_a_gguf_file_is_named_by_its_own_digest(tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(b"GGUF")
    before = folder_digest(path)
    path.write_bytes(b"GGUF2")
    assert folder_digest(path) != before
    with pytest.raises(CheckpointError, match=r"gone\.gguf does not exist; set it to a model folder or a GGUF file"):
        folder_digest(tmp_path / "gone.gguf")


def test_a_file_that_is_no_gguf_is_refused_with_its_name(tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(b"no model at all")
    config = run(tmp_path, {"family": "causal", "weights": str(path)})
    with pytest.raises(CheckpointError, match=r"model\.gguf (cannot be read as GGUF|needs the package gguf)"):
        check_model(config, vocab_size=32)
    with pytest.raises(CheckpointError, match=r"other\.gguf does not exist"):
        check_model(
            dataclasses.replace(config, model=dataclasses.replace(config.model, weights=f"{tmp_path}/other.gguf")), 32
        )
