"""What was measured on a task, in sentences: a figure means little without them."""

from recsys_model.config.text import LanguageCode
from recsys_model.evaluation.texts import TOKENS
from recsys_model.text.explanations import RULES
from recsys_model.text.tasks import TASKS, Task
from recsys_model.text.templates import TemplateSplit
from recsys_platform.evaluate.tasks.answers import LARGEST_K
from recsys_platform.evaluate.tasks.baselines import PRIOR_RATINGS

WORDS: dict[TemplateSplit, str] = {
    "seen": "Questions are in words that training used; which, is drawn by seed, user and task.",
    "unseen": "Zero-shot: questions are in words that training never used; which, is drawn by seed, user and task.",
}
"""A sentence on the templates."""
BOOTSTRAP = "95 % intervals: bootstrap over users."


def describe_task(
    task: str,
    templates: TemplateSplit,
    *,
    split: str,
    num_users: int,
    num_askable: int,
    num_left_out: int,
    num_items: int,
    num_candidates: int,
    exclude_seen: bool,
    language: LanguageCode,
) -> list[str]:
    """Return one sentence each on the events, the words, the answers, the baselines and the intervals."""
    kind = TASKS[task]
    event = "last event" if split == "test" else "last event but one"
    which = "all" if num_users == num_askable else f"{num_users:,} drawn by seed"
    sentences = [
        f"Asked about the held-out {event} ({split} split) of users for whom all that a question needs is known: "
        f"{which} of {num_askable:,}.",
        WORDS[templates],
        *_answers(kind, num_items, num_candidates, language, exclude_seen=exclude_seen),
    ]
    if num_left_out:
        sentences.append(f"{num_left_out:,} users are left out, since a question does not fit into a text.")
    return [*sentences, BOOTSTRAP]


def _answers(
    kind: Task, num_items: int, num_candidates: int, language: LanguageCode, *, exclude_seen: bool
) -> list[str]:
    """Return how the answers are taken and what the baselines answer."""
    if kind.answer == "rating":
        return [
            "The prediction is the expected value of the ratings 1 to 5 under the model's exact probabilities.",
            "Baselines count the ratings of the events that training asked for: their mean, and the mean of the item, "
            f"drawn towards that mean as if by {PRIOR_RATINGS:g} more ratings.",
        ]
    if kind.answer == "yes_no":
        return [
            "Each user is asked twice: about the item taken, and about one drawn by seed that the user never took.",
            "Accuracy: yes is said where it is likelier than no; always saying yes gives 0.5. AUC is over all pairs of "
            "a right and a wrong question; for popularity, an item's number of training events is the score.",
        ]
    if kind.answer == "item" and "candidates" in kind.required:
        return [
            f"The target is ranked among {num_candidates} candidates that the question names, the others drawn by seed "
            "and user from the items that the user never took; each has its exact probability, the target loses ties.",
            "Popularity ranks the same candidates by their number of training events. HR@k is told for k below the number of candidates.",
        ]
    if kind.answer == "item":
        seen = "items of the user's history are taken out" if exclude_seen else "nothing is taken out"
        return [
            f"The target is ranked against the whole catalogue of {num_items:,} items, of which the "
            f"model gives the best {LARGEST_K}; {seen}.",
            "The baselines rank the same targets and count what the model was trained on.",
        ]
    return [TOKENS[language].statement, *_texts(kind, language)]


def _texts(kind: Task, language: LanguageCode) -> list[str]:
    if kind.answer == "summary":
        return [
            "The reference is the headline that the user gave to the review.",
            "Baselines: the most frequent headline of training, that of the same item (of all, where it has none), and "
            f"as many first {TOKENS[language].unit} of the review as a headline of training has on average.",
        ]
    if "feature" in kind.required:
        baselines = (
            "Baselines: the most frequent training sentence with the same hint word, and that of the same item with "
            "the same word (else of the item, else of all)."
        )
    else:
        baselines = (
            "Baselines: the most frequent training sentence, and that of the same item (of all, where it has none)."
        )
    return [RULES[language].statement, baselines]
