"""The command line: help that teaches, errors in one line, JSON for scripts."""

import json
import shlex
from pathlib import Path

import pytest
import ray

from recsys_model.backbones.checkpoint import write_model
from recsys_model.backbones.glm import GLM
from recsys_model.config import GLMConfig
from recsys_platform.cli import build_parser, main
from recsys_platform.cli.summaries import of_next_steps

STAGES = ("data", "train", "tune", "ablate", "evaluate", "new-items", "bundle", "serve", "demo")


@pytest.mark.parametrize(
    "command",
    [
        *STAGES,
        "recommend",
        "demo-shop",
        "link",
        "audit",
        "convert",
        "compare",
        "semantic-ids check",
        "semantic-ids recommend",
    ],
)
def test_every_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main([*command.split(), "--help"])
    assert caught.value.code == 0
    text = capsys.readouterr().out
    assert f"usage: recsys {command}" in text
    assert "--json" in text


def test_help_names_every_command_and_how_to_change_a_setting(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    text = capsys.readouterr().out
    assert all(f"recsys {command} CONFIG" in text for command in STAGES if command != "demo")
    assert "--set lora.rank=16" in text


@pytest.mark.parametrize("command", ["train", "evaluate"])
def test_help_of_a_long_command_tells_where_its_progress_goes(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main([command, "--help"])
    text = " ".join(capsys.readouterr().out.split())
    assert "Progress goes to standard error: one live bar on a terminal, else one line every 30 seconds." in text


def test_the_demo_ends_with_its_report_and_three_commands() -> None:
    payload = {"history": [{"item": "Red Tent"}, {"item": "Boreal Trail Camp Chair"}]}
    run = ["demo.yaml", "--set", "storage=/tmp/a b"]
    text = of_next_steps(Path("/runs/demo/evaluation/report.html"), payload, "recsys", run, "http://127.0.0.1:8001")
    lines = text.splitlines()
    assert lines[0] == "report: /runs/demo/evaluation/report.html"
    assert lines[2::2] == [
        "  recsys serve demo.yaml --set 'storage=/tmp/a b'",
        "  recsys recommend --history 'Boreal Trail Camp Chair' -k 5 --url http://127.0.0.1:8001",
        "  recsys new-items demo.yaml --set 'storage=/tmp/a b'",
    ]
    for line in lines[2::2]:
        build_parser().parse_args(shlex.split(line)[1:])


@pytest.mark.parametrize(
    ("command", "setting", "message"),
    [
        ("train", "lora.rank=17", "lora.rank must be at most 16"),
        ("tune", "tune.ranks=[2,17]", "each of tune.ranks must be at most 16"),
        ("ablate", "lora.rank=17", "lora.rank must be at most 16"),
        ("new-items", "lora.rank=17", "lora.rank must be at most 16"),
        ("demo", "lora.rank=17", "lora.rank must be at most 16"),
        ("train", "train.keep=best", "train.keep best ranks with the entity head"),
        ("evaluate", "decoding.num_beams=3", "decoding.num_beams must be at least 10"),
        ("train", "num_cpus=0", "num_cpus must be at least 1, got 0"),
    ],
)
def test_a_setting_that_no_worker_could_use_is_refused_before_ray_starts(
    command: str,
    setting: str,
    message: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    started: list[object] = []
    monkeypatch.setattr(ray, "init", lambda *_, **settings: started.append(settings))
    geometry = GLMConfig(num_layers=1, hidden_size=16, num_heads=2, vocab_size=40, max_sequence_length=64)
    write_model(tmp_path / "base", GLM(geometry))
    table = {"path": str(tmp_path / "table.csv")}
    config = {
        "name": "r",
        "storage": str(tmp_path),
        "input": {"interactions": table, "items": table},
        "model": {"weights": str(tmp_path / "base")},
    }
    (tmp_path / "run.yaml").write_text(json.dumps(config))

    assert main([command, str(tmp_path / "run.yaml"), "--set", setting]) == 1

    assert message in capsys.readouterr().err
    assert started == []
    assert {path.name for path in tmp_path.iterdir()} == {"base", "run.yaml"}


def test_wrong_usage_is_status_2(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["train"])
    assert caught.value.code == 2
    assert "config" in capsys.readouterr().err


def test_error_is_one_line_on_standard_error_and_status_1(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "missing.yaml"]) == 1
    captured = capsys.readouterr()
    assert captured.err == "recsys data: config file missing.yaml does not exist\n"
    assert captured.out == ""


def test_error_is_a_json_document_too_when_asked(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "missing.yaml", "--json"]) == 1
    document = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert document == {
        "command": "data",
        "error": "config file missing.yaml does not exist",
        "type": "ConfigError",
    }


def test_stage_without_its_input_names_the_stage_to_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "run.yaml"
    config.write_text(
        f"name: x\nstorage: {tmp_path}\nlora: {{enabled: false}}\n"
        "input: {interactions: {path: a.csv}, items: {path: b.csv}}\n"
    )
    assert main(["bundle", str(config)]) == 1
    assert "Run the" in capsys.readouterr().err


def test_demo_shop_command_writes_tables_and_ends_with_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo-shop", str(tmp_path / "shop"), "--json"]) == 0
    document = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert document["counts"]["items"] == 300
    assert (tmp_path / "shop" / "interactions.parquet").is_file()


def test_audit_is_status_1_where_a_row_is_impossible(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = tmp_path / "table.csv"
    table.write_text("method,dataset,hr@5,ndcg@5\nours,shop,0.50,0.45\n")
    assert main(["audit", str(table)]) == 0
    assert capsys.readouterr().out == "0 of 1 rows are impossible\n"
    table.write_text("method,dataset,hr@5,ndcg@5\nours,shop,0.50,0.45\ntheirs,shop,0.50,0.55\n")
    assert main(["audit", str(table), "--json"]) == 1
    said, document = capsys.readouterr().out.rstrip().rsplit("\n", 1)
    bound = "NDCG@5 0.55 cannot exceed 0.5050, given HR@5 0.50, one positive per case and their rounding"
    assert said == f"line 3, theirs, shop: {bound}\n1 of 2 rows are impossible"
    assert json.loads(document) == {
        "command": "audit",
        "table": str(table),
        "rows": 2,
        "digits": {"hr@5": 2, "ndcg@5": 2},
        "notes": [],
        "impossible": [{"line": 3, "row": "theirs, shop", "broken": bound}],
    }


def test_audit_says_how_it_read_dropped_zeros_and_takes_the_digits(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = tmp_path / "table.csv"
    table.write_text("method,hr@5,ndcg@5,hr@10,ndcg@10\nP5,0.0392,0.033,0.0512,0.0375\n")
    assert main(["audit", str(table)]) == 0
    assert capsys.readouterr().out == (
        "note: columns with fewer digits than the 4 of others: ndcg@5 3; "
        "if zeros at the end were dropped, audit with --digits 4\n0 of 1 rows are impossible\n"
    )
    assert main(["audit", str(table), "--digits", "4"]) == 1
    assert "NDCG@10 0.0375 cannot exceed 0.0374, given HR@5 0.0392, NDCG@5 0.0330" in capsys.readouterr().out


def test_audit_of_no_table_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["audit", str(tmp_path / "none.csv")]) == 1
    assert "none.csv cannot be read as UTF-8 text" in capsys.readouterr().err


def test_resume_and_resume_if_started_exclude_each_other() -> None:
    with pytest.raises(SystemExit):
        build_parser().parse_args(["train", "x.yaml", "--resume", "--resume-if-started"])


def test_unreachable_endpoint_is_explained(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["recommend", "--url", "http://127.0.0.1:9", "--history", "Red Tent"]) == 1
    assert "http://127.0.0.1:9" in capsys.readouterr().err


def test_feature_without_a_value_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["recommend", "--feature", "age"]) == 1
    assert "--feature must be NAME=VALUE, got 'age'" in capsys.readouterr().err
