"""Load a published tokenizer; the first of these files in its folder decides its kind.

`tokenizer.json`                a causal model of Hugging Face, or one that this project wrote
`vocab.json`, `merges.txt`      glm-10b and glm-2b (GPT-2's BPE)
`vocab.txt`                     glm-large and glm-515m (BERT's word pieces)
`ice_text.model`                ChatGLM-6B, with `pip install 'recsysllm-on-ray[sentencepiece]'`
`cog-pretrain.model`            glm-10b-chinese and glm-large-chinese, likewise
`tokenizer.model`               a causal model whose slow tokenizer was saved (Llama), `added_tokens.json` beside it; likewise
a file that ends in `.gguf`     the vocabulary of a causal model
"""

from collections.abc import Callable
from pathlib import Path

from recsys_model.errors import CheckpointError
from recsys_model.text.hf_tokenizer import SLOW_FILE, load_gguf_tokenizer, load_hf_tokenizer, load_slow_tokenizer
from recsys_model.text.sentencepieces import (
    CHATGLM_FILE,
    CHINESE_GLM_FILE,
    load_chatglm_tokenizer,
    load_chinese_glm_tokenizer,
)
from recsys_model.text.tokenizer import (
    BACKEND_FILE,
    GPT2_VOCAB_FILE,
    SPECIAL_FILE,
    Tokenizer,
    load_gpt2_tokenizer,
    load_tokenizer,
)
from recsys_model.text.wordpiece import VOCAB_FILE, load_bert_tokenizer

FILE_TO_READER: dict[str, Callable[[Path], Tokenizer]] = {
    SPECIAL_FILE: load_tokenizer,
    BACKEND_FILE: load_hf_tokenizer,
    GPT2_VOCAB_FILE: load_gpt2_tokenizer,
    VOCAB_FILE: load_bert_tokenizer,
    CHATGLM_FILE: load_chatglm_tokenizer,
    CHINESE_GLM_FILE: load_chinese_glm_tokenizer,
    SLOW_FILE: load_slow_tokenizer,
}
"""The first file that is there decides."""


def load_pretrained_tokenizer(path: Path) -> Tokenizer:
    """Read the tokenizer of a published model from its folder or GGUF file.

    Raises:
        CheckpointError: there is none of a known kind, or it is damaged.
    """
    if path.is_file() and path.suffix == ".gguf":
        return load_gguf_tokenizer(path)
    for name, read in FILE_TO_READER.items():
        if (path / name).is_file():
            return read(path)
    raise CheckpointError(
        f"{path} holds no tokenizer: it must be a .gguf file or a folder with one of {', '.join(FILE_TO_READER)}"
    )
