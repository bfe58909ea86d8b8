"""`recsys items` and the lists of `recsys recommend`, against an endpoint made by hand."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from recsys_model.errors import DataError
from recsys_platform.cli import main
from recsys_platform.cli.item_files import read_ids, read_items

EDITED = {"catalog_version": 3, "added": 1, "removed": 2, "items": 9, "replicas": 2, "pending": 0}


class Endpoint:
    """Records its requests and gives its answers in turn."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, str, Any]] = []
        self.answers: list[tuple[int, dict[str, Any]]] = []
        self.url = ""


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    hand_made = Endpoint()

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            length = int(self.headers.get("Content-Length", 0))
            hand_made.requests.append(
                (self.command, self.path, json.loads(self.rfile.read(length)) if length else None)
            )
            status, body = hand_made.answers.pop(0)
            data = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_PUT = answer  # noqa: N815

        def log_message(self, *_: Any) -> None:
            """Keep the test's output clean."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    hand_made.url = f"http://127.0.0.1:{server.server_port}"
    yield hand_made
    server.shutdown()
    server.server_close()
    thread.join()


def test_items_are_added_and_removed_in_one_step(
    endpoint: Endpoint, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    table, removed = tmp_path / "new.csv", tmp_path / "removed.txt"
    table.write_text("id,title,brand,categories\nb,Comb,Ada,Hair|Combs\nc,Hat,,\n")
    removed.write_text("x\n\n y \n")
    endpoint.answers = [(200, EDITED)]
    arguments = ["items", "add", str(table), "--item", "a=Tent = big", "--remove", "z", "--remove", f"@{removed}"]
    assert main([*arguments, "--url", endpoint.url]) == 0
    add = [
        {"id": "a", "title": "Tent = big"},
        {"id": "b", "title": "Comb", "brand": "Ada", "categories": ["Hair", "Combs"]},
        {"id": "c", "title": "Hat"},
    ]
    assert endpoint.requests == [("POST", "/v1/items", {"add": add, "remove": ["z", "x", "y"]})]
    assert capsys.readouterr().out == "catalogue version 3: 1 items added, 2 removed, 9 now, on 2 replicas\n"


def test_replicas_that_lag_behind_are_told_of(endpoint: Endpoint, capsys: pytest.CaptureFixture[str]):
    endpoint.answers = [(200, EDITED | {"pending": 1})]
    assert main(["items", "remove", "x", "--url", endpoint.url]) == 0
    assert capsys.readouterr().out.endswith("on 2 replicas, 1 replicas pending\n")


def test_a_catalogue_is_swapped_for_the_items_of_a_file(endpoint: Endpoint, tmp_path: Path):
    path = tmp_path / "items.jsonl"
    path.write_text('{"id": "a", "title": "Comb"}\n\n{"id": "b", "title": "Hat", "categories": ["x"]}\n')
    endpoint.answers = [(200, EDITED)]
    assert main(["items", "swap", str(path), "--url", endpoint.url]) == 0
    items = [{"id": "a", "title": "Comb"}, {"id": "b", "title": "Hat", "categories": ["x"]}]
    assert endpoint.requests == [("PUT", "/v1/items", {"items": items})]


def test_a_list_goes_on_to_the_last_page(endpoint: Endpoint, capsys: pytest.CaptureFixture[str]):
    comb, hat = {"id": "a/b", "title": "Comb", "text": "Comb"}, {"id": "c", "title": "Hat", "text": "Hat (c)"}
    endpoint.answers = [(200, {"items": [comb], "next_after": 41}), (200, {"items": [hat], "next_after": None})]
    assert main(["items", "list", "--url", endpoint.url, "--json"]) == 0
    assert [path for _, path, _ in endpoint.requests] == ["/v1/items?limit=1000", "/v1/items?limit=1000&after=41"]
    lines = capsys.readouterr().out.splitlines()
    assert lines[:3] == ["a/b\tComb", "c\tHat", "2 items"]
    assert json.loads(lines[3])["items"] == [comb, hat]


def test_a_refused_edit_names_the_items(endpoint: Endpoint, capsys: pytest.CaptureFixture[str]):
    problem = {"loc": ["body", "remove", 0], "msg": "'x' is not the id of an item", "type": "unknown_item"}
    endpoint.answers = [(422, {"detail": [problem]})]
    assert main(["items", "remove", "x", "--url", endpoint.url]) == 1
    assert "remove.0: 'x' is not the id of an item" in capsys.readouterr().err


def test_an_endpoint_that_allows_no_edits_says_how_to_allow_them(
    endpoint: Endpoint, capsys: pytest.CaptureFixture[str]
):
    endpoint.answers = [(403, {"detail": "set serve.catalog_edits"})]
    assert main(["items", "remove", "x", "--url", endpoint.url]) == 1
    assert "set serve.catalog_edits" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", "id,name\n1,Comb\n", "must have the columns id and title"),
        ("a.csv", "id,title\n1,Comb,Ada\n", r"a\.csv:2 must have 2 fields"),
        ("a.csv", "id,title\n1\n", r"a\.csv:2 must have 2 fields"),
        (
            "a.csv",
            'id,title\n1,Comb\n2,"Mug 3\n3,Cup\n',
            r"a\.csv:3 must .* got line 3, a quote is not closed: 2,\"Mug 3",
        ),
        ("a.jsonl", "{", r"a\.jsonl:1 is not JSON"),
        ("a.jsonl", "[1]", r"a\.jsonl:1 must be a JSON object"),
        ("a.jsonl", None, "cannot be read"),
    ],
)
def test_a_file_without_items_is_named_with_the_line(tmp_path: Path, name: str, content: str | None, message: str):
    if content is not None:
        (tmp_path / name).write_text(content)
    with pytest.raises(DataError, match=message):
        read_items(tmp_path / name)


def test_categories_of_a_csv_file_are_read_as_in_a_table_of_items(tmp_path: Path):
    (tmp_path / "new.csv").write_text("id,title,categories\na,Comb,\"['Hair', 'Combs']\"\nb,Brush,Hair|Brushes\n")
    assert [item["categories"] for item in read_items(tmp_path / "new.csv")] == [["Hair", "Combs"], ["Hair", "Brushes"]]
    (tmp_path / "new.csv").write_text('id,title,categories\na,Comb,"{}"\n')
    with pytest.raises(DataError, match=r"new.csv:2: categories \{\} are no names"):
        read_items(tmp_path / "new.csv")


def test_a_missing_list_of_ids_is_named(tmp_path: Path):
    with pytest.raises(DataError, match="one id per line"):
        read_ids(["a", f"@{tmp_path / 'none.txt'}"])


@pytest.mark.parametrize("arguments", [["add"], ["add", "--item", "Comb"], ["add", "--item", "a="]])
def test_nothing_to_add_is_an_error_in_words(arguments: list[str], capsys: pytest.CaptureFixture[str]):
    assert main(["items", *arguments]) == 1
    assert "ID=TITLE" in capsys.readouterr().err


def test_the_help_of_items_teaches(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit):
        main(["items", "--help"])
    text = capsys.readouterr().out
    assert all(f"recsys items {action}" in text for action in ("list", "add", "remove", "swap"))
    assert "serve.catalog_edits=true" in text


def test_a_recommendation_may_deny_and_allow_items(endpoint: Endpoint, tmp_path: Path):
    stock = tmp_path / "stock.txt"
    stock.write_text("c\nd\n")
    endpoint.answers = [(200, {"items": [], "model": {}})] * 2
    assert main(["recommend", "--url", endpoint.url, "--deny", "a", "--allow", f"@{stock}", "--allow", "e"]) == 0
    assert main(["recommend", "--url", endpoint.url]) == 0
    (_, _, some), (_, _, every) = endpoint.requests
    assert (some["deny"], some["allow"]) == (["a"], ["c", "d", "e"])
    assert every["deny"] == []
    assert "allow" not in every
