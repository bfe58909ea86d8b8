"""Train one method of the SmolLM2 benchmark with LoRA and measure it; results are kept in its folder."""

import argparse
import json
import logging
import time
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import nn

from recsys_model.backbones.base import Backbone
from recsys_model.backbones.causal import INTRA_TABLE
from recsys_model.backbones.checkpoint import load_model
from recsys_model.backbones.geometry import MaskKind
from recsys_model.config import DecodingConfig, LoraConfig, ObjectiveConfig, OptimizerConfig, TextConfig
from recsys_model.decoding.generator import TrieGuidedGenerator
from recsys_model.entities.token_trie import build_token_trie
from recsys_model.evaluation.metrics import rank_in
from recsys_model.infilling.batch import Batch, generator_for, pad_examples
from recsys_model.text.tokenizer import Tokenizer
from recsys_model.training.lora import apply_lora
from recsys_model.training.loss import InfillingLoss
from recsys_model.training.optimizer import learning_rate_share, parameter_groups
from tests.benchmarks.beauty_slice import BeautySlice
from tests.benchmarks.smollm2_layouts import InfillingLayout, Layout, QuestionLayout

logger = logging.getLogger(__name__)

MODEL_FOLDER = "model"
TEXT = TextConfig(max_tokens=192)
DECODING = DecodingConfig(num_beams=20)
LORA = LoraConfig(rank=8)
MASK: MaskKind = "causal"
K = 10
SAVE_EVERY_STEPS = 5
SORTED_STEPS = 10
"""Examples of so many steps are sorted by length together, which saves padding."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Method:
    """One row of the table."""

    label: str
    objective: ObjectiveConfig | None = None
    """Of RecSysLLM; none asks the question of plain fine-tuning."""
    item_loss: Literal["lm", "trie"] = "lm"
    """Of plain fine-tuning; that of RecSysLLM is in its objective."""
    is_trained: bool = True


NEXT_ITEMS = ObjectiveConfig(
    entity_weight=0.1, sentence_weight=0.0, document_weight=0.0, next_item_weight=1.0, item_loss="trie"
)
METHODS = {
    "recsysllm": Method(label="RecSysLLM", objective=ObjectiveConfig()),
    "sft": Method(label="plain SFT"),
    "untuned": Method(label="no fine-tuning, the question of plain SFT", is_trained=False),
    "recsysllm-trie": Method(label="RecSysLLM, trie loss, mostly next items", objective=NEXT_ITEMS),
    "sft-trie": Method(label="plain SFT, but trie loss", item_loss="trie"),
    "untuned-infilling": Method(
        label="no fine-tuning, the layout of RecSysLLM", objective=ObjectiveConfig(), is_trained=False
    ),
}


class Trial:
    """Trains and measures one method; keeps what it has in its folder."""

    def __init__(self, name: str, options: argparse.Namespace, data: BeautySlice, tokenizer: Tokenizer) -> None:
        self._name, self._method, self._options = name, METHODS[name], options
        self._data = data
        self._folder = options.out / name
        self._folder.mkdir(parents=True, exist_ok=True)
        self._pad = tokenizer.special.pad
        self._layout: Layout = (
            QuestionLayout(tokenizer, data.catalog, TEXT, self._method.item_loss)
            if self._method.objective is None
            else InfillingLayout(tokenizer, data.catalog, TEXT, self._method.objective)
        )
        items = [item.token_ids for item in data.catalog.items]
        self._trie = build_token_trie(items, self._layout.special.end)

    def model(self) -> Backbone:
        """Return the model, trained and merged unless the method leaves it alone."""
        base = load_model(self._options.out / "model", mask=MASK)
        if not self._method.is_trained:
            return base.eval()
        torch.manual_seed(self._options.seed)
        adapted = apply_lora(base, LORA)
        if self._method.objective is None:
            for name, parameter in adapted.named_parameters():
                # plain fine-tuning has no intra position ids: their table stays zero
                parameter.requires_grad_(parameter.requires_grad and INTRA_TABLE not in name)
        self._train(adapted)
        merged = adapted.merge_and_unload()
        assert isinstance(merged, Backbone), "peft gives back the model that it wrapped"
        return merged.eval()

    def _train(self, adapted: nn.Module) -> None:
        config = OptimizerConfig(learning_rate=self._options.learning_rate, warmup_share=0.1)
        loss = InfillingLoss(adapted, self._trie).train()
        optimizer = torch.optim.AdamW(parameter_groups(adapted, config), lr=0.0, betas=config.betas)
        step, log = self._restored(adapted, optimizer)
        while step < self._options.steps:
            began = time.monotonic()
            batch = self._batch(step)
            for group in optimizer.param_groups:
                group["lr"] = config.learning_rate * learning_rate_share((step + 1) / self._options.steps, config)
            optimizer.zero_grad(set_to_none=True)
            with torch.autocast("cpu", dtype=torch.bfloat16):
                value = loss(batch).token / batch.num_targets
            value.backward()
            nn.utils.clip_grad_norm_(_trainable(adapted).values(), config.max_grad_norm)
            optimizer.step()
            step += 1
            log.append(
                {
                    "loss": value.item(),
                    "tokens": batch.num_tokens,
                    "targets": batch.num_targets,
                    "seconds": time.monotonic() - began,
                }
            )
            if step % SAVE_EVERY_STEPS == 0 or step == self._options.steps:
                logger.info("%s step %d %s", self._name, step, log[-1])
                self._save(adapted, optimizer, step, log)

    def _batch(self, step: int) -> Batch:
        """Return the examples of a step; users and targets are the same for every method."""
        examples = [
            self._layout.example(
                self._history(user, place), self._data.sequences[user][place], generator_for((step, number))
            )
            for number, (user, place) in enumerate(drawn_targets(self._data, self._options, step))
        ]
        return pad_examples(examples, self._pad)

    def _history(self, user: int, place: int) -> list[int]:
        return self._data.sequences[user][max(place - self._options.max_history, 0) : place]

    def _restored(self, adapted: nn.Module, optimizer: torch.optim.Optimizer) -> tuple[int, list[dict]]:
        path = self._folder / "training.pt"
        if not path.is_file():
            return 0, []
        saved = torch.load(path, weights_only=True)
        for name, parameter in _trainable(adapted).items():
            parameter.data.copy_(saved["state"][name])
        optimizer.load_state_dict(saved["optimizer"])
        return saved["step"], saved["log"]

    def _save(self, adapted: nn.Module, optimizer: torch.optim.Optimizer, step: int, log: list[dict]) -> None:
        state = {name: parameter.detach() for name, parameter in _trainable(adapted).items()}
        path = self._folder / "training.pt"
        torch.save(
            {"step": step, "state": state, "optimizer": optimizer.state_dict(), "log": log}, path.with_suffix(".new")
        )
        path.with_suffix(".new").rename(path)

    def ranks(self) -> np.ndarray:
        """Return the place of each test user's last item, 0 where it is not among the first ten."""
        path, size = self._folder / "ranks.json", self._options.batch_size
        ranks: list[int] = json.loads(path.read_text()) if path.is_file() else []
        if len(ranks) < len(self._data.test_users):
            generator = TrieGuidedGenerator(self.model(), self._data.catalog, self._layout.special, DECODING)
        while len(ranks) < len(self._data.test_users):
            users = self._data.test_users[len(ranks) : len(ranks) + size]
            histories = [self._data.sequences[user][:-1] for user in users]
            prompts = [self._layout.prompt(history[-self._options.max_history :]) for history in histories]
            answers = generator.recommend(prompts, K, [set(history) for history in histories])
            for user, answer in zip(users, answers, strict=True):
                ranks.append(rank_in([each.item for each in answer], self._data.sequences[user][-1]))
            path.write_text(json.dumps(ranks))
            logger.info("%s: %d users, HR@10 %.4f", self._name, len(ranks), np.count_nonzero(ranks) / len(ranks))
        return np.array(ranks)

    def costs(self) -> dict[str, float]:
        """Return steps, tokens, targets, seconds and the loss of the last tenth of the training."""
        path = self._folder / "training.pt"
        if not path.is_file():
            return {}
        log = torch.load(path, weights_only=True)["log"]
        totals = {key: sum(row[key] for row in log) for key in ("tokens", "targets", "seconds")}
        last = [row["loss"] for row in log[-max(len(log) // 10, 1) :]]
        return {"steps": len(log), **totals, "last_loss": sum(last) / len(last)}


def drawn_targets(data: BeautySlice, options: argparse.Namespace, step: int) -> list[tuple[int, int]]:
    """Return the (user, place) of the examples of a step, the same for every method."""
    targets = data.training_targets()
    order = np.random.default_rng(options.seed).permutation(len(targets))
    chunk, offset = divmod(step, SORTED_STEPS)
    size = SORTED_STEPS * options.batch_size
    drawn = [targets[order[number % len(order)]] for number in range(chunk * size, (chunk + 1) * size)]
    drawn.sort(key=lambda target: min(target[1], options.max_history))
    batch = int(np.random.default_rng((options.seed, chunk)).permutation(SORTED_STEPS)[offset])
    return drawn[batch * options.batch_size : (batch + 1) * options.batch_size]


def _trainable(adapted: nn.Module) -> dict[str, nn.Parameter]:
    return {name: parameter for name, parameter in adapted.named_parameters() if parameter.requires_grad}
