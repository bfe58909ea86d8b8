"""`report.json`: written and read back as it is, refused field by field, and described by its schema."""

import dataclasses
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from recsys_model.errors import DataError
from recsys_platform.evaluate.report.json_format import from_json, json_schema, to_json, write_json
from tests.recsys_platform.evaluate.report.tiny_report import report_of, tiny_document, tiny_report

SCHEMA_FILE = Path(__file__).resolve().parents[4] / "docs" / "report.schema.json"
WRITE_IT_ANEW = (
    'PYTHONPATH=.:platform python -c "from pathlib import Path; '
    "from recsys_platform.evaluate.report.json_format import json_schema, write_json; "
    "write_json(Path('docs/report.schema.json'), json_schema())\""
)


def test_a_report_that_is_written_and_read_is_the_same():
    document = tiny_document()

    assert to_json(report_of(document)) == document
    assert from_json(json.dumps(to_json(tiny_report())), "report.json") == tiny_report()


def test_what_the_users_took_has_neither_coverage_nor_gini_index():
    assert to_json(tiny_report().exposure["taken"]) == {"mean_popularity": 20.0, "long_tail_share": 0.5}


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_number_that_is_not_finite_is_neither_written_nor_read(tmp_path, value):
    report = dataclasses.replace(tiny_report(), seconds=value)

    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "report.json", report)

    assert list(tmp_path.iterdir()) == []
    with pytest.raises(DataError, match=r"seconds: must be a finite number, got"):
        report_of(tiny_document() | {"seconds": value})


def drop_titles(document: dict[str, Any]) -> None:
    del document["method_titles"]


def add_a_key(document: dict[str, Any]) -> None:
    document["rankings"][0]["metrics"]["popularity"]["hr_at_1"]["width"] = 0.1


def write_a_number_as_text(document: dict[str, Any]) -> None:
    document["rankings"][0]["metrics"]["popularity"]["hr_at_1"]["value"] = "0.05"


def write_a_number_as_truth(document: dict[str, Any]) -> None:
    document["num_users"] = True


def name_another_protocol(document: dict[str, Any]) -> None:
    document["protocol"]["competitors"] = ["everything"]


def shorten_a_point(document: dict[str, Any]) -> None:
    document["learning_curve"]["train"][1] = [2]


def shorten_a_group(document: dict[str, Any]) -> None:
    document["breakdowns"]["history"]["methods"]["recsysllm"].pop()


def shorten_a_curve(document: dict[str, Any]) -> None:
    document["breakdowns"]["hit_rate_over_k"]["methods"]["popularity"].pop()


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (drop_titles, "method_titles: required, but missing"),
        (add_a_key, "rankings.0.metrics.popularity.hr_at_1.width: unknown key"),
        (write_a_number_as_text, "rankings.0.metrics.popularity.hr_at_1.value: must be a valid number, got '0.05'"),
        (write_a_number_as_truth, "num_users: must be a valid integer, got True"),
        (name_another_protocol, "protocol.competitors.0: must be 'catalogue', 'sampled' or 'given', got 'everything'"),
        (shorten_a_point, "learning_curve.train.1.1: required, but missing"),
        (shorten_a_group, "breakdowns.history: recsysllm must have one value for each group, 2 in all, got 1"),
        (shorten_a_curve, "breakdowns.hit_rate_over_k: popularity must have one value for each k, 3 in all, got 2"),
    ],
)
def test_a_wrong_field_is_named_with_what_was_expected(change: Callable[[dict[str, Any]], None], problem: str):
    document = tiny_document()
    change(document)

    with pytest.raises(DataError) as caught:
        from_json(json.dumps(document), "run/report.json")

    first, *problems = str(caught.value).splitlines()
    assert first == "run/report.json is not a report of this version; evaluate the run again:"
    assert problems == [f"  {problem}"]


def test_all_wrong_fields_are_named_at_once():
    document = tiny_document()
    drop_titles(document)
    write_a_number_as_truth(document)

    with pytest.raises(DataError) as caught:
        report_of(document)

    assert len(str(caught.value).splitlines()) == 3


@pytest.mark.parametrize(
    ("text", "problem"), [("{", "the whole file: Invalid JSON"), ("[]", "the whole file: must be an object, got []")]
)
def test_what_is_no_object_is_refused(text, problem):
    with pytest.raises(DataError) as caught:
        from_json(text, "report.json")

    assert problem in str(caught.value)


def test_the_schema_in_docs_is_the_one_of_the_code():
    assert json.loads(SCHEMA_FILE.read_text(encoding="utf-8")) == json_schema(), (
        f"docs/report.schema.json is not the schema of the code; write it anew:\n{WRITE_IT_ANEW}"
    )


def test_the_schema_is_one_and_a_report_fits_it():
    jsonschema.Draft202012Validator.check_schema(json_schema())

    jsonschema.validate(tiny_document(), json_schema())


@pytest.mark.parametrize("change", [drop_titles, add_a_key, write_a_number_as_text, name_another_protocol])
def test_what_is_refused_does_not_fit_the_schema_either(change: Callable[[dict[str, Any]], None]):
    document = tiny_document()
    change(document)

    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document, json_schema())


def test_every_part_and_every_field_of_the_schema_is_described():
    schema = json_schema()
    parts = {"Report": schema, **schema["$defs"]}

    assert [name for name, part in parts.items() if not part.get("description")] == []
    fields = {f"{name}.{key}": field for name, part in parts.items() for key, field in part["properties"].items()}
    assert [name for name, field in fields.items() if not field.get("description")] == []
