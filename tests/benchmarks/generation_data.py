"""The dataset, the model and the prompts of real histories for the benchmarks of generation."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path

import torch

from recsys_model.backbones.base import Backbone
from recsys_model.backbones.glm import GLM
from recsys_model.config import PRESETS, DecodingConfig
from recsys_model.decoding.generator import TrieGuidedGenerator
from recsys_model.entities.catalog import Catalog, load_catalog
from recsys_model.infilling.prompt import Prompt, build_prompt
from recsys_model.text.tokenizer import SpecialTokens, Tokenizer, load_tokenizer
from recsys_platform.checkpoints import load_trained_model
from recsys_platform.evaluate.ranking.cases import Case, load_evaluation_data
from tests.benchmarks.plain_beam import PlainBeamSearch

NUM_BEAMS, K = 20, 10


@dataclass(frozen=True, kw_only=True)
class Setting:
    """A catalogue, a model, and users who ask."""

    catalog: Catalog
    special: SpecialTokens
    model: Backbone
    prompts: list[Prompt]
    """In the order of user ids, so of all lengths."""
    cases: list[Case]
    """The users of the prompts."""

    @property
    def sequences(self) -> list[tuple[int, ...]]:
        """Token ids of each item."""
        return [tuple(item.token_ids) for item in self.catalog.items]

    def generator(self, config: DecodingConfig) -> TrieGuidedGenerator:
        """Return ours."""
        return TrieGuidedGenerator(self.model, self.catalog, self.special, config)

    def plain(self, num_beams: int = NUM_BEAMS) -> PlainBeamSearch:
        """Return the alternative."""
        return PlainBeamSearch(self.model, self.sequences, self.special, num_beams)

    def with_items(self, count: int) -> "Setting":
        """Return the same with the first items of the catalogue only."""
        catalog = Catalog(items=self.catalog.items[:count], attributes=self.catalog.attributes)
        return dataclasses.replace(self, catalog=catalog)


def load_setting(dataset: Path, checkpoint: Path | None, num_users: int) -> Setting:
    """Read a dataset artifact and a checkpoint, or make a glm-mini with random weights."""
    tokenizer = load_tokenizer(dataset / "tokenizer")
    cases = load_evaluation_data(dataset, "test", num_users, 0).cases
    return Setting(
        catalog=load_catalog(dataset),
        special=tokenizer.special,
        model=_load_model(checkpoint, tokenizer),
        prompts=[build_prompt(case.text, tokenizer.special) for case in cases],
        cases=cases,
    )


def _load_model(checkpoint: Path | None, tokenizer: Tokenizer) -> Backbone:
    if checkpoint is not None:
        return load_trained_model(checkpoint, dtype=torch.float32, verify=False).eval()
    return GLM(dataclasses.replace(PRESETS["glm-mini"], vocab_size=tokenizer.vocab_size)).eval()
