"""The answer of a task text, for tests that compare it with what a model gives."""

from recsys_model.text.task_text import TaskText


def answer_ids(task: TaskText) -> list[int]:
    """Return the tokens behind the question."""
    return task.text.token_ids[task.answer_start :]
