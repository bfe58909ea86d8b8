"""Read `rules` of a request against the columns of the catalogue: all problems at once, each at its field."""

from collections.abc import Callable

from recsys_model.entities.item_columns import ItemColumns
from recsys_model.entities.rules import Rules
from recsys_model.errors import DataError
from recsys_platform.serve.rules_schemas import RulesFields
from recsys_platform.serve.schemas import Problem

NO_COLUMNS = (
    "this bundle has no columns that rules could name: name them in input.item_columns if they are others than brand, "
    "categories and price, then run `recsys data`, `recsys train` and `recsys bundle` again"
)


def read_rules(fields: RulesFields, columns: ItemColumns, problems: list[Problem]) -> Rules | None:
    """Return the rules of a request, None after adding to `problems`."""
    num_before = len(problems)
    if not columns.kinds and (fields.where or fields.caps):
        problems.append(Problem(loc=["body", "rules"], msg=NO_COLUMNS, type="no_columns"))
        return None
    for index, each in enumerate(fields.where):
        rules = Rules(where=tuple(each.to_conditions()))
        _note(problems, ["body", "rules", "where", index], lambda rules=rules: columns.check(rules))
    for index, cap in enumerate(fields.caps):
        _note(problems, ["body", "rules", "caps", index], lambda name=cap.column: columns.column(name))
    return fields.to_rules() if len(problems) == num_before else None


def _note(problems: list[Problem], loc: list[str | int], check: Callable[[], object]) -> None:
    try:
        check()
    except DataError as error:
        problems.append(Problem(loc=loc, msg=str(error), type="wrong_rule"))
