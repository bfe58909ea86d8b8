"""The example of the README on the item trie is run as it is printed, on a tiny model, against scores by hand."""

import ast
import re
import textwrap
from pathlib import Path

import pytest
import tokenizers
import torch
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

README = Path(__file__).resolve().parents[2] / "README.md"
TITLES = [" Alder Trail Tent", " Alder Camp Stove", " Cedar Rain Jacket"]
QUESTION = "Bought: Birch Sleeping Bag. Bought next:"


def example() -> str:
    text = re.search(r"^    from transformers import.*?(?=^\S)", README.read_text(), re.M | re.S)
    assert text is not None
    return textwrap.dedent(text[0])


def write_model(folder: Path, seed: int) -> None:
    """A model of two layers whose tokens are bytes, so that titles have 17 and 18 tokens and ranks depend on their lengths."""
    backend = tokenizers.Tokenizer(tokenizers.models.BPE())
    backend.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = tokenizers.decoders.ByteLevel()
    alphabet = sorted(tokenizers.pre_tokenizers.ByteLevel.alphabet())
    backend.train_from_iterator(
        [], tokenizers.trainers.BpeTrainer(initial_alphabet=alphabet, special_tokens=["<eos>"], show_progress=False)
    )
    PreTrainedTokenizerFast(tokenizer_object=backend, eos_token="<eos>", pad_token="<eos>").save_pretrained(folder)
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=257,
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        initializer_range=0.5,
        bos_token_id=0,
        eos_token_id=0,
        pad_token_id=0,
    )
    LlamaForCausalLM(config).save_pretrained(folder)


@torch.no_grad()
def log_prob(folder: Path, title: str) -> float:
    """The sum of the log-probabilities of a title's tokens and of the end behind it."""
    tokenizer = PreTrainedTokenizerFast.from_pretrained(folder)
    model = LlamaForCausalLM.from_pretrained(folder)
    question, answer = (tokenizer(text, add_special_tokens=False).input_ids for text in (QUESTION, title))
    answer.append(tokenizer.eos_token_id)
    log_probs_TV = model(torch.tensor([question + answer])).logits[0].log_softmax(dim=-1)
    return sum(log_probs_TV[len(question) - 1 + place, token].item() for place, token in enumerate(answer))


# seeds with which a length penalty of 1, the default of `generate`, gives another order
@pytest.mark.parametrize("seed", [7, 9, 10])
def test_the_example_prints_titles_in_the_order_of_their_probabilities(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_model(tmp_path / "my-model", seed)
    monkeypatch.chdir(tmp_path)
    capsys.readouterr()
    exec(compile(example(), "README.md", "exec"), {})
    printed = ast.literal_eval(capsys.readouterr().out.splitlines()[-1])
    assert printed == sorted(TITLES, key=lambda title: -log_prob(tmp_path / "my-model", title))


def test_asked_for_more_titles_than_there_are_the_example_prints_each_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_model(tmp_path / "my-model", seed=9)
    monkeypatch.chdir(tmp_path)
    text = example().replace('"num_beams": 3, "num_return_sequences": 3', '"num_beams": 7, "num_return_sequences": 7')
    assert text != example()
    capsys.readouterr()
    exec(compile(text, "README.md", "exec"), {})
    printed = ast.literal_eval(capsys.readouterr().out.splitlines()[-1])
    assert printed == sorted(TITLES, key=lambda title: -log_prob(tmp_path / "my-model", title))
