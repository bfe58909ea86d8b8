"""A tiny model of every family, for tests of what works with any of them."""

import torch
import transformers

from recsys_model.backbones.base import Backbone
from recsys_model.backbones.families import build_backbone
from recsys_model.backbones.geometry import CausalConfig, ChatGLMConfig, MaskKind
from recsys_model.config import GLMConfig

NAMES = ("glm", "chatglm", "llama prefix", "qwen2 causal", "qwen3 prefix")
VOCAB_SIZE = 32
NUM_POSITIONS = 40


def tiny_backbone(name: str, vocab_size: int = VOCAB_SIZE, num_positions: int = NUM_POSITIONS) -> Backbone:
    """Return a model of two layers whose weights, the intra table included, are random."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = build_backbone(_geometry(name, vocab_size, num_positions))
        for parameter in model.parameters():
            torch.nn.init.normal_(parameter, std=0.4)
    return model.eval()


def _geometry(name: str, vocab_size: int, num_positions: int) -> GLMConfig | ChatGLMConfig | CausalConfig:
    sizes = {"num_layers": 2, "hidden_size": 16, "num_heads": 2, "vocab_size": vocab_size}
    if name == "glm":
        return GLMConfig(**sizes, max_sequence_length=num_positions)
    if name == "chatglm":
        return ChatGLMConfig(**sizes, inner_hidden_size=24, max_sequence_length=num_positions)
    model_type, _, mask = name.partition(" ")
    return _causal(model_type, "causal" if mask == "causal" else "prefix", vocab_size, num_positions)


def _causal(model_type: str, mask: MaskKind, vocab_size: int, num_positions: int) -> CausalConfig:
    """Two query heads share one head of keys and values; the Qwen3 has an output matrix of its own."""
    settings = transformers.AutoConfig.for_model(
        model_type,
        vocab_size=vocab_size,
        hidden_size=16,
        intermediate_size=24,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=8,
        max_position_embeddings=num_positions,
        tie_word_embeddings=model_type != "qwen3",
    )
    return CausalConfig(settings=settings.to_dict(), mask=mask)
