"""A model's answers to questions: items by trie-guided search, given answers by their exact scores, or free text.

Knows no Ray. Room for the answer is left by its kind, never by the length of the right one, which would give it away.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from recsys_model.backbones.base import Backbone
from recsys_model.config import DecodingConfig, GenerationConfig
from recsys_model.decoding.answer_scorer import AnswerScorer
from recsys_model.decoding.generator import TrieGuidedGenerator
from recsys_model.decoding.text import TextGenerator
from recsys_model.entity_head.scorer import EntityScorer
from recsys_model.errors import UnaskableError
from recsys_model.evaluation.metrics import LARGEST_K
from recsys_model.infilling.positions import IntraMode, PositionAutomaton
from recsys_model.infilling.prompt import Prompt, build_prompt
from recsys_model.text.task_fit import whole_text
from recsys_model.text.tasks import CHOICES, TASKS, AnswerKind, Task
from recsys_model.text.textualize import TokenizedText
from recsys_model.text.tokenizer import Tokenizer
from recsys_platform.evaluate.tasks.cases import TaskCase
from recsys_platform.task_columns import TaskSource

TEXT_ROOM = 32
"""Tokens that a question leaves for a free text."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TaskAnswer:
    """What the model answers to one question; what a task does not have is empty."""

    question: str
    """The question as it was asked."""
    items: tuple[int, ...] = ()
    """Catalogue indices, best first."""
    scores: tuple[float, ...] = ()
    """Log-probabilities of the given answers: of the candidates in their order, or of `CHOICES`."""
    text: str = ""
    """Free text."""


class TaskAnswerer:
    """Answers questions with one model."""

    def __init__(
        self,
        model: Backbone,
        source: TaskSource,
        tokenizer: Tokenizer,
        decoding: DecodingConfig,
        generation: GenerationConfig,
        *,
        intra_mode: IntraMode,
        exclude_seen: bool,
        scorer: EntityScorer | None = None,
        trie_temperature: float = 1.0,
    ) -> None:
        """Take the positions of training, and whether a user's own items are left out where the catalogue competes."""
        self._scorer = scorer
        self._vectors = None if scorer is None else scorer.vectors
        self._trie_temperature = trie_temperature
        self._model = model
        self._source = source
        self._tokenizer = tokenizer
        self._decoding = decoding
        self._generation = generation
        self._intra_mode: IntraMode = intra_mode
        self._exclude_seen = exclude_seen
        self._automaton = PositionAutomaton(source.catalog.pool(), intra_mode)
        self._templates = source.templates

    def answer(self, cases: Sequence[TaskCase]) -> list[TaskAnswer | None]:
        """Return the answer to each of some questions of one task, None where a question does not fit into a text.

        Raises:
            ConfigError: the model has too few position ids.
        """
        task = TASKS[cases[0].task]
        questions = [self._question(case) for case in cases]
        cases_with_questions = [
            (case, question) for case, question in zip(cases, questions, strict=True) if question is not None
        ]
        prompts = [
            build_prompt(question, self._tokenizer.special, self._intra_mode) for _, question in cases_with_questions
        ]
        texts = [self._tokenizer.decode(question.token_ids).strip() for _, question in cases_with_questions]
        answers = iter(self._answer(task, [case for case, _ in cases_with_questions], prompts, texts))
        return [None if question is None else next(answers) for question in questions]

    def _question(self, case: TaskCase) -> TokenizedText | None:
        template = self._templates[case.template_id]
        try:
            return self._source.texts.question(template, case.facts, self._room(template.task.answer))
        except UnaskableError:
            # `answer` says so by None, and reports count it
            return None

    def _room(self, answer: AnswerKind) -> int:
        """Return how many tokens a question leaves for its answer."""
        if answer == "item":
            return self._usual_item_len
        if answer in CHOICES:
            return max(map(len, self._source.texts.choices(answer)))
        return min(TEXT_ROOM, self._generation.max_tokens)

    def _answer(
        self, task: Task, cases: Sequence[TaskCase], prompts: Sequence[Prompt], questions: Sequence[str]
    ) -> list[TaskAnswer]:
        if task.answer == "item" and "candidates" not in task.required:
            excluded = [case.event.seen_items for case in cases] if self._exclude_seen else None
            best_items = self._items.recommend(prompts, LARGEST_K, excluded)
            items = [tuple(each.item for each in answer) for answer in best_items]
            return [TaskAnswer(question=q, items=best) for q, best in zip(questions, items, strict=True)]
        if task.answer == "item" or task.answer in CHOICES:
            scores = self._answer_scorer.log_probs(prompts, [self._given(task, case) for case in cases])
            return [TaskAnswer(question=q, scores=tuple(each)) for q, each in zip(questions, scores, strict=True)]
        texts = [whole_text(text.token_ids, self._tokenizer.decode) for text in self._texts.generate(prompts)]
        return [TaskAnswer(question=q, text=text) for q, text in zip(questions, texts, strict=True)]

    def _given(self, task: Task, case: TaskCase) -> list[Sequence[int]]:
        """Return the tokens of the answers that a question leaves to choose from."""
        if task.answer == "item":
            return [self._source.catalog.items[item].token_ids for item in case.facts.candidates]
        return list(self._source.texts.choices(task.answer))

    @cached_property
    def _usual_item_len(self) -> int:
        lengths = [len(item.token_ids) for item in self._source.catalog.items]
        return math.ceil(sum(lengths) / len(lengths))

    @cached_property
    def _items(self) -> TrieGuidedGenerator:
        special = self._tokenizer.special
        return TrieGuidedGenerator(
            self._model, self._source.catalog, special, self._decoding, self._scorer, self._trie_temperature
        )

    @cached_property
    def _answer_scorer(self) -> AnswerScorer:
        special, scoring = self._tokenizer.special, self._decoding.scoring
        return AnswerScorer(self._model, special, self._automaton, scoring, self._vectors, self._trie_temperature)

    @cached_property
    def _texts(self) -> TextGenerator:
        special = self._tokenizer.special
        return TextGenerator(self._model, special, self._automaton, self._generation, self._vectors)
