"""Build a question and its answer from a template and facts, as one text with marked entities.

The answer follows the question and begins with a blank, as every entity does. With the answer hidden as the only span,
one `[gMASK]`, the text is the supervised example; the question alone is the prompt of a request.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from recsys_model.config import TextConfig
from recsys_model.errors import DataError
from recsys_model.text.language import LANGUAGES
from recsys_model.text.task_facts import TaskFacts
from recsys_model.text.task_fields import FieldWriter, Value
from recsys_model.text.task_fit import WrittenPart, fit
from recsys_model.text.tasks import CHOICES, AnswerKind
from recsys_model.text.templates import Field, Part, Template
from recsys_model.text.textualize import NUM_FRAME_TOKENS, EntityTokens, TokenizedText
from recsys_model.text.tokenizer import Tokenizer


@dataclass(frozen=True, kw_only=True, slots=True)
class TaskText:
    """A question and its answer."""

    text: TokenizedText
    """Both, without `[CLS]` and `[EOS]`."""
    answer_start: int
    """First token of the answer, which ends the text."""
    task: str
    """Name of the task."""
    template_id: str
    """The template that was used."""

    @property
    def answer_span(self) -> tuple[int, int]:
        """Token range of the answer: the one span to hide."""
        return self.answer_start, len(self.text)

    @property
    def question(self) -> TokenizedText:
        """The text in front of the answer: what a prompt is built from."""
        return self.text.first_tokens(self.answer_start)

    def row(self) -> dict[str, Any]:
        """Return the columns of a table of examples: those of the text, and three more."""
        return {
            **asdict(self.text),
            "task": self.task,
            "template_id": self.template_id,
            "answer_start": self.answer_start,
        }


class TaskTextBuilder:
    """Builds the question and the answer of any task about any event."""

    def __init__(
        self,
        tokenizer: Tokenizer,
        catalog: EntityTokens,
        config: TextConfig,
        item_attributes: Sequence[Mapping[str, str]] = (),
    ) -> None:
        """Take the attributes of every item, by catalogue index; empty if none are known."""
        self._writer = FieldWriter(tokenizer, catalog, config, item_attributes)
        self.language = LANGUAGES[config.language]
        """Language of the words around values, and of the answers in `CHOICES`."""
        self._tokenizer = tokenizer
        self._max_tokens = config.max_tokens

    def build(self, template: Template, facts: TaskFacts) -> TaskText:
        """Return the question and its answer.

        They fit into `text.max_tokens` together; `recsys_model.text.task_fit` says what is dropped for that.

        Raises:
            DataError: a required value or the answer is not known.
            UnaskableError: what is never cut does not fit.
        """
        answer = self._answer(template, facts)
        question = self.question(template, facts, len(answer))
        answer_start = len(question)
        question.extend(answer)
        question.end_sentence()
        return TaskText(
            text=question, answer_start=answer_start, task=template.task.name, template_id=template.template_id
        )

    def question(self, template: Template, facts: TaskFacts, answer_len: int) -> TokenizedText:
        """Return the question alone, with room for an answer of so many tokens; see `build`."""
        parts = [written for part in template.parts if (written := self._written(template, part, facts)) is not None]
        room = self._max_tokens - NUM_FRAME_TOKENS - answer_len
        text = TokenizedText()
        for value in fit(parts, room, self._tokenizer.decode, template.template_id):
            for piece in value.pieces:
                text.extend(piece)
        text.end_sentence()
        return text

    def choices(self, answer: AnswerKind) -> list[list[int]]:
        """Return the tokens of each answer in `CHOICES`, in the words of the language."""
        return [self._writer.free_text(word).token_ids for word in self.language.choices[answer]]

    def _answer(self, template: Template, facts: TaskFacts) -> TokenizedText:
        answer = facts.answer(template.task.answer)
        if answer is None:
            raise DataError(f"template {template.template_id}: the answer ({template.task.answer}) must be known")
        if isinstance(answer, int):
            return self._writer.item(answer)
        kind = template.task.answer
        if kind in CHOICES:
            answer = self.language.choices[kind][CHOICES[kind].index(answer)]
        return self._writer.free_text(answer)

    def _written(self, template: Template, part: Part, facts: TaskFacts) -> WrittenPart | None:
        """Fill one part, None if it is optional and a value is missing."""
        values: list[Value] = []
        for piece in part.pieces:
            if not isinstance(piece, Field):
                values.append(Value("", [self._writer.literal(piece)]))
                continue
            value = self._writer.value(piece.name, facts)
            if not value.pieces and part.is_optional:
                return None
            if not value.pieces:
                raise DataError(f"template {template.template_id}: field {piece.name!r} must have a value, got none")
            values.append(value)
        return WrittenPart(values, part.is_optional)
