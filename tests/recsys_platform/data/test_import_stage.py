"""A folder of a published data set through the whole data stage, on a real Ray."""

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import tokenizers

from recsys_model.entities.catalog import load_catalog
from recsys_model.errors import DataError
from recsys_platform.artifacts import open_artifact
from recsys_platform.cli import summaries
from recsys_platform.config.run import RunConfig, build_config
from recsys_platform.data.stage import run_data

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("ray_cluster")]


def make(folder: Path, files: dict[str, str], **sections: Any) -> RunConfig:
    source = folder / "source"
    source.mkdir()
    for name, text in files.items():
        (source / name).write_text(text)
    document = {"name": "run", "storage": str(folder / "runs"), "input": {"folder": str(source)}}
    return build_config(document | {"tokenizer": {"vocab_size": 400}} | sections)


def test_a_movielens_folder_becomes_a_dataset_that_says_where_it_came_from(tmp_path):
    events = [(user, 1 + (user * user + 5 * event) % 17, 1000 * event) for event in range(6) for user in range(1, 13)]
    files = {
        "u.data": "".join(f"{user}\t{item}\t4\t{time}\n" for user, item, time in events) + "broken\n",
        "u.genre": "Drama|0\nComedy|1\n",
        "u.item": "".join(f"{item}|Film {chr(64 + item)}|||x|{item % 2}|1\n" for item in range(1, 18)),
        "u.user": "".join(f"{user}|{20 + user}|F|writer|0000{user}\n" for user in range(1, 13)),
    }
    config = make(tmp_path, files)
    report = run_data(config)

    counts = open_artifact(config.dataset_folder, "dataset").counts
    assert counts["input"] == {
        "format": "movielens",
        "why": "u.data and u.item are the files of MovieLens 100k",
        "files": ["u.data", "u.genre", "u.item", "u.user"],
        "notes": [],
        "rows": {"interactions": 73, "items": 17, "users": 12},
        "left_out": {},
    }
    assert (counts["users"], counts["items"], counts["interactions"]) == (12, 17, 72)
    assert counts["rejects"]["interactions"] == {"malformed_line": 1}
    assert counts["examples"]["test"] == 12
    said = summaries.of_data(report).splitlines()
    assert said[:2] == [
        "input: movielens, u.data and u.item are the files of MovieLens 100k",
        "dataset: 12 users, 17 items, 72 interactions",
    ]
    catalog = load_catalog(config.dataset_folder)
    assert catalog.items[2].title == "Film C"
    rows = [
        row for path in (config.dataset_folder / "interactions").iterdir() for row in pq.read_table(path).to_pylist()
    ]
    ids = {row["user_id"]: [catalog.items[item].item_id for item in row["items"]] for row in rows}
    assert ids == {str(user): [str(item) for who, item, _ in events if who == user] for user in range(1, 13)}


def test_only_clicks_of_mind_become_interactions_and_the_rest_is_counted(tmp_path):
    events = [(user, 1 + (user * user + 5 * event) % 17, event) for event in range(6) for user in range(1, 13)]
    files = {
        "behaviors.tsv": "".join(
            f"{row}\tU{user}\t11/{10 + event}/2019 9:{user:02d}:00 AM\tN1 N2\tN{item}-1 N{1 + item % 17}-0\n"
            for row, (user, item, event) in enumerate(events)
        ),
        "news.tsv": "".join(
            f"N{item}\tnews\tworld\tDay {chr(64 + item)}\tText.\thttp\t[]\t[]\n" for item in range(1, 18)
        ),
    }
    config = make(tmp_path, files)
    report = run_data(config)

    assert report["counts"]["interactions"] == 72
    assert report["counts"]["input"]["left_out"] == {"interactions": {"impressions that were not clicked": 72}}
    said = summaries.of_data(report)
    assert "  72 impressions that were not clicked are no rows of the interactions table" in said
    assert load_catalog(config.dataset_folder).items[2].title == "Day C"


def test_semantic_ids_are_whole_tokens_of_a_checkpoints_tokenizer(tmp_path):
    published = tmp_path / "checkpoint"
    published.mkdir()
    backend = tokenizers.Tokenizer(tokenizers.models.BPE())
    backend.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = tokenizers.decoders.ByteLevel()
    alphabet = tokenizers.pre_tokenizers.ByteLevel.alphabet()
    trainer = tokenizers.trainers.BpeTrainer(vocab_size=300, initial_alphabet=alphabet, show_progress=False)
    backend.train_from_iterator(["bought"], trainer)
    backend.add_special_tokens(["<|endoftext|>", "<|r_0|>", "<|r_1|>", "<|r_2|>", "<|r_3|>", "<|r_4|>"])
    backend.add_tokens([f"<{level}_{code}>" for level in "abc" for code in range(18)])
    backend.save(str(published / "tokenizer.json"))
    sequences = {str(user): [(user + 5 * event) % 18 for event in range(6)] for user in range(12)}
    files = {
        "X.inter.json": json.dumps(sequences),
        "X.item.json": json.dumps({str(item): {"title": f"Thing {item}"} for item in range(18)}),
        "X.index.json": json.dumps({str(item): [f"<a_{item}>", f"<b_{item * 5 % 18}>", "<c_7>"] for item in range(18)}),
    }
    settings = {"folder": str(tmp_path / "source"), "items": {"columns": {"title": "semantic_id"}}}
    config = make(tmp_path, files, tokenizer={"path": str(published)}, input=settings, data={"max_leak_share": 1.0})
    run_data(config)

    item = load_catalog(config.dataset_folder).items[4]
    assert (item.title, item.token_ids) == (
        "<a_4><b_2><c_7>",
        tuple(backend.token_to_id(name) for name in ("<a_4>", "<b_2>", "<c_7>")),
    )


def test_numbered_sequences_stop_the_stage_and_leave_no_dataset_but_the_imported_tables(tmp_path):
    lines = [f"{user} " + " ".join(str(6 * user + place) for place in range(6)) + "\n" for user in range(30)]
    config = make(tmp_path, {"sequential_data.txt": "".join(lines)})
    with pytest.raises(DataError, match=r"leak numbered_texts: .* in 30 of 30 test cases") as caught:
        run_data(config)

    assert "datamaps.json" in str(caught.value)
    assert [path.name for path in config.folder.iterdir()] == ["tables"]


def test_sequences_with_maps_and_titles_are_no_leak_and_keep_their_order(tmp_path):
    lines = [f"{user} " + " ".join(str(6 * user + place) for place in range(6)) + "\n" for user in range(30)]
    maps = {
        "id2user": {str(user): f"U{user}" for user in range(30)},
        "id2item": {str(item): f"B{item * 37 % 180:03d}X" for item in range(180)},
    }
    titles = "".join(f"{{'asin': 'B{item:03d}X', 'title': 'Thing {item} of wood'}}\n" for item in range(180))
    files = {"sequential_data.txt": "".join(lines), "datamaps.json": json.dumps(maps), "meta.json": titles}
    config = make(tmp_path, files)
    report = run_data(config)

    assert report["counts"]["input"]["format"] == "p5"
    assert "  the files have no times: " in summaries.of_data(report)
    catalog = load_catalog(config.dataset_folder)
    rows = [
        row for path in (config.dataset_folder / "interactions").iterdir() for row in pq.read_table(path).to_pylist()
    ]
    found = {row["user_id"]: [catalog.items[item].item_id for item in row["items"]] for row in rows}
    assert found["U2"] == [maps["id2item"][str(item)] for item in range(12, 18)]
    assert len(found) == 30
