"""Causal decoders of transformers (Llama, SmolLM2, Qwen2, Qwen3) as blank-infilling backbones.

The paper allows other language models "with minor modifications". These are all modifications:

- A table of intra position ids, zero at first, is added to the word embeddings: a new model has
  the same output as the plain one, to the bit. `has_intra_table: false` leaves it out.
- The rotary positions stay one-dimensional. They count the sequence: part A from 0, part B behind it, so the distances
  inside a span are those of the pretraining. The inter position id is therefore not an input; the order of the spans,
  the mask token and attention identify a span.
- The caller's `Attention` decides which tokens a token sees. With `mask: prefix` part A is bidirectional, with
  `mask: causal` the model sees its own past only, as in its pretraining.

Shape suffixes: B = examples, T = tokens, D = hidden size, H = heads, G = heads of keys and values, E = size of a head,
X = any leading shape.
"""

from collections.abc import Mapping
from typing import Any

import torch
import transformers
from torch import Tensor, nn
from torch.nn import functional

from recsys_model.backbones.base import Attention, Backbone, OutputHead, plus
from recsys_model.backbones.geometry import CAUSAL_FAMILY, CausalConfig, MaskKind
from recsys_model.config import require

ATTENTION_NAME = "recsys_infilling"
INTRA_TABLE = "intra_position_embeddings"
HEAD_NAME = "lm_head.weight"
REQUIRED_SIZES = ("vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads")


class CausalDecoder(Backbone):
    """A decoder of transformers whose attention is the caller's; its tensors keep their published names."""

    family = CAUSAL_FAMILY
    lora_targets = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
    new_tables = (INTRA_TABLE,)

    def __init__(self, config: CausalConfig) -> None:
        super().__init__()
        self._config = config
        published = published_config(config.settings)
        plain = transformers.AutoModelForCausalLM.from_config(
            published, attn_implementation=ATTENTION_NAME, dtype=torch.float32
        )
        self.model = plain.model
        with torch.device("cpu"):
            self.model.rotary_emb = ExactRotary(type(self.model.rotary_emb)(config=published))
        self.lm_head = None if published.tie_word_embeddings else OutputHead(config.hidden_size, config.vocab_size)
        if self.lm_head is not None:
            self.lm_head.weight = plain.lm_head.weight
        self.intra_position_embeddings: nn.Embedding | None = None
        if config.has_intra_table:
            self.intra_position_embeddings = nn.Embedding(config.max_sequence_length + 1, config.hidden_size)
            nn.init.zeros_(self.intra_position_embeddings.weight)

    @property
    def config(self) -> CausalConfig:
        """The geometry."""
        return self._config

    @property
    def blocks(self) -> nn.ModuleList:
        """The decoder layers of transformers."""
        return self.model.layers

    @property
    def part_a_is_causal(self) -> bool:
        """Whether a token of part A sees only those before it."""
        return self.config.mask == "causal"

    def hidden_states(
        self,
        token_ids_BT: Tensor,
        inter_position_ids_BT: Tensor,
        intra_position_ids_BT: Tensor,
        attention: Attention,
        added_BTD: Tensor | None = None,
    ) -> Tensor:
        """Return the states after the last norm, [B, T, D]."""
        del inter_position_ids_BT
        embedded_BTD = plus(self.model.embed_tokens(token_ids_BT), added_BTD)
        if self.intra_position_embeddings is not None:
            embedded_BTD = embedded_BTD + self.intra_position_embeddings(intra_position_ids_BT)
        answer = self.model(
            inputs_embeds=embedded_BTD,
            position_ids=attention.positions(),
            use_cache=False,
            infilling_attention=attention,
        )
        return answer.last_hidden_state

    def word_vectors(self, token_ids_X: Tensor) -> Tensor:
        """Return the word embeddings of some tokens, [X, D]."""
        return self.model.embed_tokens(token_ids_X)

    def logits(self, hidden_XD: Tensor) -> Tensor:
        """Project states of any leading shape on the vocabulary."""
        if self.lm_head is None:
            return functional.linear(hidden_XD, self.model.embed_tokens.weight)
        return self.lm_head(hidden_XD)

    def output_rows(self, token_ids_X: Tensor) -> Tensor:
        """Return the rows of the output matrix for some tokens, [X, D]."""
        if self.lm_head is None:
            return functional.embedding(token_ids_X, self.model.embed_tokens.weight)
        return self.lm_head(token_ids_X, rows=True)

    @property
    def output_matrix(self) -> Tensor:
        """The word embedding where it is tied, else a matrix of its own."""
        return self.model.embed_tokens.weight if self.lm_head is None else self.lm_head.weight

    def own_state(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the tensors without those that the model computes; a new intra table is zero."""
        kept = {name: tensor for name, tensor in state.items() if not name.endswith("rotary_emb.inv_freq")}
        if self.lm_head is None:
            kept.pop(HEAD_NAME, None)
        table = self.intra_position_embeddings
        if table is not None:
            kept.setdefault(f"{INTRA_TABLE}.weight", torch.zeros(table.weight.shape, device="cpu"))
        return kept


class ExactRotary(nn.Module):
    """Rotary positions whose frequencies stay float32 when the model changes its type."""

    def __init__(self, rotary: nn.Module) -> None:
        super().__init__()
        # in a tuple, where conversions of the model do not reach it
        self._hidden = (rotary,)

    def forward(self, states_BTD: Tensor, position_ids: Tensor) -> tuple[Tensor, Tensor]:
        """Return cosines and sines, [B, T, E], in the type of `states_BTD`."""
        return self._hidden[0](states_BTD, position_ids)


def read_causal_config(document: Mapping[str, Any], mask: MaskKind) -> CausalConfig:
    """Fill in transformers' defaults for keys that a `config.json` leaves out.

    Raises:
        ConfigError: a size is not there, or a layer does not see all tokens.
    """
    missing = [name for name in REQUIRED_SIZES if name not in document]
    require(not missing, f"{', '.join(missing)} must be there, got {', '.join(document)}")
    return CausalConfig(settings=published_config(document).to_dict(), mask=mask)


def published_config(settings: Mapping[str, Any]) -> transformers.PretrainedConfig:
    """Return the configuration object of transformers."""
    values = {key: value for key, value in settings.items() if key not in ("model_type", "transformers_version")}
    return transformers.AutoConfig.for_model(settings["model_type"], **values)


def _infilling_attention(
    module: nn.Module, query: Tensor, key: Tensor, value: Tensor, *_: Any, **settings: Any
) -> tuple[Tensor, None]:
    """Hand one layer's states to the `Attention` that `CausalDecoder.hidden_states` passed along."""
    mixed_BHTE = settings["infilling_attention"](module.layer_idx, query, key, value)
    return mixed_BHTE.transpose(1, 2).contiguous(), None


transformers.AttentionInterface.register(ATTENTION_NAME, _infilling_attention)
