"""`recsys semantic-ids`: the page of it runs, and what cannot be is one line."""

import json
import re
import shlex
from pathlib import Path

import pytest

from recsys_platform.cli import main
from tests.recsys_model.semantic_ids.tiny_checkpoints import MINIONEREC, minionerec, write_json

PAGE = Path(__file__).resolve().parents[3] / "docs/semantic-ids.md"


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `Office.index.json`, `checkpoint` and `users.jsonl`, as on the page."""
    folder = tmp_path_factory.mktemp("shop")
    minionerec(folder).weights.rename(folder / "checkpoint")
    lines = [{"history": ["3", "5"]}, {"history": ["Pen & Ink 0"], "exclude_seen": False, "deny": ["8"]}]
    (folder / "users.jsonl").write_text("\n".join(map(json.dumps, lines)) + "\n", encoding="utf-8")
    return folder


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> dict:
    assert main(["semantic-ids", *map(str, arguments), "--json"]) == 0
    return json.loads(capsys.readouterr().out.splitlines()[-1])


def test_the_commands_and_the_example_of_the_page_run(shop: Path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(shop)
    text = PAGE.read_text(encoding="utf-8")
    commands = [shlex.split(line) for line in re.findall(r"^    recsys (.*)$", text, re.M)]
    assert [command[:2] for command in commands] == [
        ["semantic-ids", "check"],
        ["semantic-ids", "recommend"],
        ["semantic-ids", "recommend"],
    ]
    printed = []
    for command in commands:
        assert main(command) == 0
        printed.append(capsys.readouterr().out)
    assert printed[0].startswith(
        "MiniOneRec: Office.index.json is a JSON object of token lists, 3 or 4 levels\n9 items, 7 semantic ids of"
    )
    assert "checkpoint has all 12 tokens" in printed[0]
    assert re.search(r"user 1, 2 items of history:\n   1\. Pen & Ink \d  \(\d, <a_\d+><b_", printed[1])
    assert "user 2, 1 items of history, proven:" in printed[2]
    answers = json.loads(printed[2].splitlines()[-1])["answers"]
    assert [len(answer["items"]) for answer in answers] == [3, 3]
    (block,) = re.findall(r"^```python\n(.*?)^```$", text, re.M | re.S)
    exec(compile(block, str(PAGE), "exec"), {})
    shown = [eval(line.partition(" ")[2]) for line in capsys.readouterr().out.splitlines()]
    assert [item[0] for item in shown[0]] == [item["id"] for item in answers[0]["items"]]


def test_the_default_settings_of_the_page_are_those_of_the_file() -> None:
    from recsys_model.semantic_ids.published_format import published_format

    rows = {
        cells[0].split("`")[1]: [cell.replace("\\|", "|").strip("`") for cell in cells[1:]]
        for line in PAGE.read_text(encoding="utf-8").splitlines()
        if line.startswith("| `") and len(cells := [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]) == 4
        if not line.startswith("| `NAME")
    }
    numbers = ("max_history", "num_beams", "items_per_id")
    for place, layout in enumerate(("minionerec", "lcrec", "openonerec")):
        form = published_format(layout)
        for name in (*numbers, "item"):
            assert rows[name][place] == str(getattr(form, name))
        assert rows["ends_with_eos"][place] == str(form.ends_with_eos).lower()


def test_check_needs_no_weights_and_tells_what_is_shared(shop: Path, capsys) -> None:
    result = run(capsys, "check", shop / "Office.index.json")
    wanted = {"layout": "minionerec", "num_items": 9, "num_semantic_ids": 7, "num_shared": 1, "lengths": [3, 4]}
    assert {name: result[name] for name in wanted} == wanted
    assert result["shared_order"] == "catalogue order"


def test_options_reach_the_search(shop: Path, tmp_path: Path, capsys) -> None:
    counts = tmp_path / "counts.csv"
    counts.write_text("item_id,count\n7,5\n4,1\n", encoding="utf-8")
    arguments = ["recommend", shop / "Office.index.json", "--weights", shop / "checkpoint", "--popularity", counts]
    everything = run(capsys, *arguments, "-k", 9, "--history", "0", "--include-seen")["answers"][0]
    assert everything["shared_order"] == "training popularity"
    assert [item["id"] for item in everything["items"] if item["num_sharing"] == 3] == ["7", "4", "3"]
    allowed = run(capsys, *arguments, "-k", 9, "--allow", "4", "--allow", "0", "--deny", "0")["answers"][0]
    assert [item["id"] for item in allowed["items"]] == ["4"]
    one = run(capsys, *arguments, "-k", 9, "--set", "items_per_id=1", "--scoring", "trie", "--exact")["answers"][0]
    assert len(one["items"]) == 7
    assert one["certificate"] == {
        "is_exact": True,
        "bound": None,
        "missing": 0.0,
        "num_expanded": one["certificate"]["num_expanded"],
    }


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--set", "separator"], "--set must be key.path=value, got 'separator'"),
        (["--set", "seperator=x"], "settings of a published format are template, .*; got seperator"),
        (["--history", "B7"], "has no item 'B7'"),
        (["-k", "51"], r"k must be from 1 to num_beams \(50\), got 51"),
        (["--batch-size", "0"], "--batch-size must be at least 1, got 0"),
        (["--requests", "users.jsonl", "--history", "0"], "--requests has the histories; leave out --history"),
        (["--requests", "bad.jsonl"], r"bad.jsonl line 2: history must be a list of texts, got \[3\]"),
        (
            ["--requests", "odd.jsonl"],
            "odd.jsonl line 1 must be a JSON object with keys of history, exclude_seen, deny, allow",
        ),
        (["--requests", "no.jsonl"], "requests cannot be read from no.jsonl"),
        (["--layout", "openonerec"], "its layout is one of minionerec, lcrec, not openonerec"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(
    shop: Path, monkeypatch, capsys, arguments: list[str], message: str
) -> None:
    monkeypatch.chdir(shop)
    Path("bad.jsonl").write_text('{"history": []}\n{"history": [3]}\n', encoding="utf-8")
    Path("odd.jsonl").write_text('{"items": []}\n', encoding="utf-8")
    assert main(["semantic-ids", "recommend", "Office.index.json", "--weights", "checkpoint", *arguments]) == 1
    error = capsys.readouterr().err.splitlines()[-1]
    assert re.search(message, error)
    assert error.startswith("recsys semantic-ids: ")


def test_an_index_of_other_tokens_is_refused_by_check(shop: Path, tmp_path: Path, capsys) -> None:
    other = write_json(tmp_path / "X.index.json", {**MINIONEREC, "9": ["<a_7>", "<b_7>", "<c_9>"]})
    assert main(["semantic-ids", "check", str(other), "--weights", str(shop / "checkpoint")]) == 1
    assert "1 of the 13 tokens" in capsys.readouterr().err
    for option in (["--set", "end=x"], ["--precision", "bf16"], ["--device", "cuda"]):
        assert main(["semantic-ids", "check", str(other), *option]) == 1
        assert (
            f"{option[0]} changes how a checkpoint is used; name the checkpoint by --weights" in capsys.readouterr().err
        )
