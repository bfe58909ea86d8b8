"""Compare the entity head with tokens alone: item targets per second in training, ranked users per second, one request.

    python -m tests.benchmarks.entity_head RUN [--users 512] [--pairs 5] [--json FILE]

RUN is the folder of a run with an entity head (for Amazon Beauty: `recsys data` and `train ray_configs/laptop/beauty.yaml`).
One thread, no Ray. Both sides have the same weights, the same users and their real histories. Training in fp32 on
both sides: rows of the run, with all their items as targets, against rows with one target, as models of tokens alone
were trained. Ranking: scores of whole items against 20 and 40 trie-guided beams over tokens.
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from recsys_model.config import DecodingConfig, ObjectiveConfig
from recsys_model.decoding.generator import TrieGuidedGenerator
from recsys_model.entities.catalog import load_catalog
from recsys_model.entities.item_columns import ItemColumns
from recsys_model.entities.token_trie import build_token_trie
from recsys_model.entity_head.scorer import load_scorer
from recsys_model.infilling.batch import Batch, ExampleCollator
from recsys_model.infilling.example import ExampleBuilder
from recsys_model.infilling.positions import PositionAutomaton
from recsys_model.infilling.prompt import Prompt, build_prompt
from recsys_model.text.tokenizer import load_tokenizer
from recsys_model.training.loss import InfillingLoss
from recsys_platform.artifacts import open_artifact
from recsys_platform.checkpoints import ENTITIES_FOLDER, load_trained_model, trained_objective
from recsys_platform.train.reader import ExampleReader, to_examples
from tests.benchmarks.pairs import Row, time_pairs
from tests.benchmarks.report import Report

K = 10
ROW_TOKENS = 4096
TOGETHER = 64
ANY = ObjectiveConfig(
    entity_weight=0.0, sentence_weight=0.0, document_weight=0.0, next_item_target="any", item_loss="trie"
)


class Run:
    """A run's dataset and trained model."""

    def __init__(self, folder: Path, num_users: int) -> None:
        dataset = folder / "dataset"
        self.special = load_tokenizer(dataset / "tokenizer").special
        self.catalog = load_catalog(dataset)
        self.model = load_trained_model(folder / "checkpoint").eval()
        scorer = load_scorer(folder / "checkpoint" / ENTITIES_FOLDER, self.model, self.catalog.items)
        assert scorer is not None, f"{folder} has no entity head"
        self.scorer = scorer
        reader = ExampleReader(dataset / "examples" / "train")
        rows = np.sort(np.random.default_rng(0).choice(reader.num_rows, size=num_users, replace=False))
        self.examples = sorted(to_examples(reader.read(rows)), key=lambda example: len(example.text))
        tests = to_examples(ExampleReader(dataset / "examples" / "test").read(np.arange(num_users)))
        texts = [example.text.before(len(example.text.entity_starts) - 1) for example in tests]
        texts = sorted(texts, key=len)
        self.objective = trained_objective(open_artifact(folder / "checkpoint", "checkpoint"))
        assert self.objective.next_item_target == "all", f"{folder} was not trained on all items of a row"
        self.blanks = [build_prompt(text, self.special, layout=self.objective.history_layout) for text in texts]
        self.plain = [build_prompt(text, self.special) for text in texts]

    def batches(self, objective: ObjectiveConfig) -> list[Batch]:
        """Return the training rows under an objective, packed."""
        trie = build_token_trie([item.token_ids for item in self.catalog.items], self.special.end)
        builder = ExampleBuilder(objective, self.special, PositionAutomaton(self.catalog.pool()), trie)
        collator = ExampleCollator(builder, self.special.pad, ROW_TOKENS)
        parts = [self.examples[start : start + TOGETHER] for start in range(0, len(self.examples), TOGETHER)]
        return [
            collator(
                [example.text for example in part], [(0, example.user_id, example.target_index) for example in part]
            )
            for part in parts
        ]

    def generator(self, decoding: DecodingConfig, columns: ItemColumns | None = None) -> TrieGuidedGenerator:
        return TrieGuidedGenerator(self.model, self.catalog, self.special, decoding, self.scorer, columns=columns)


def training_row(run: Run, pairs: int) -> Row:
    """Time gradients of the same users' rows; the cost is seconds for a thousand item targets."""
    trie = build_token_trie([item.token_ids for item in run.catalog.items], run.special.end)
    everything, one = run.batches(run.objective), run.batches(ANY)
    head = run.scorer.head.requires_grad_(True)
    losses = (InfillingLoss(run.model, trie, run.objective, head), InfillingLoss(run.model, trie, ANY))
    targets_all = sum(batch.num_item_targets for batch in everything)
    targets_one = sum(batch.num_item_targets for batch in one)

    def work(loss: InfillingLoss, batches: list[Batch]) -> Callable[[], None]:
        def train() -> None:
            for batch in batches:
                sums = loss.train()(batch)
                (sums.token + sums.entity).backward()
                loss.zero_grad(set_to_none=True)

        return train

    row = time_pairs("", "", work(losses[0], everything), work(losses[1], one), pairs=pairs)
    run.model.eval()
    head.requires_grad_(False)
    return Row(
        work=f"training on {len(run.examples)} rows that ask for all items ({targets_all:,} targets)",
        alternative=f"the same rows asking for any one item ({targets_one:,} targets)",
        ours=[1000 * seconds / targets_all for seconds in row.ours],
        others=[1000 * seconds / targets_one for seconds in row.others],
        unit="s/1,000 targets",
        note=f"tokens and whole items on our side, history: {run.objective.history}; tokens alone on the other",
    )


def ranking_rows(run: Run, pairs: int) -> list[Row]:
    """Time the best items of the same users, in batches and one by one."""
    entity = run.generator(DecodingConfig(scoring="entity"))
    blend = run.generator(DecodingConfig(scoring="blend", exact=True))
    rows = []
    for num_beams in (20, 40):
        beams = run.generator(DecodingConfig(num_beams=num_beams))
        note = f"{len(run.blanks)} users, batches of {TOGETHER}"
        other = f"{num_beams} trie-guided beams"
        rows.append(
            time_pairs(
                "ranking all items, entity",
                other,
                _all(entity, run.blanks),
                _all(beams, run.plain),
                pairs=pairs,
                note=note,
            )
        )
    beams = run.generator(DecodingConfig(num_beams=20))
    middle = len(run.blanks) // 2
    one, plain = [run.blanks[middle]], [run.plain[middle]]
    rows += [
        time_pairs(
            f"one request, {name}, top {K}",
            "20 trie-guided beams",
            lambda generator=generator: generator.recommend(one, K),
            lambda: beams.recommend(plain, K),
            pairs=5 * pairs,
            note="median history",
        )
        for name, generator in (("entity", entity), ("blend, exact", blend))
    ]
    return rows


def _all(generator: TrieGuidedGenerator, prompts: list[Prompt]) -> Callable[[], None]:
    def rank() -> None:
        for start in range(0, len(prompts), TOGETHER):
            generator.recommend(prompts[start : start + TOGETHER], K)

    return rank


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--users", type=int, default=512)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    run = Run(options.run, options.users)
    report = Report(options.json, {"run": str(options.run), "users": options.users, "pairs": options.pairs})
    report.measure("training", lambda: [training_row(run, options.pairs)])
    report.measure("ranking", lambda: ranking_rows(run, options.pairs))


if __name__ == "__main__":
    main()
