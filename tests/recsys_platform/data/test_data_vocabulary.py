"""The tokenizer of the data stage: trained, or that of a published model."""

import random
from pathlib import Path

import pytest

from recsys_model.errors import CheckpointError, DataError
from recsys_platform.config.run import RunConfig, build_config
from recsys_platform.data.input.contract import Items, Users
from recsys_platform.data.vocabulary import build_vocabulary, longest_item

ITEMS = Items(
    item_ids=["a", "b", "c"],
    titles=["Red Tent", "red tent", "Lamp"],
    brands=["Ada", "Bo", "Ada"],
    categories=[(), (), ()],
)


def run(tokenizer: dict, **sections: dict) -> RunConfig:
    table = {"path": "/nowhere/table.csv"}
    document = {"name": "shop", "input": {"interactions": table, "items": table}, "tokenizer": tokenizer}
    return build_config(document | sections)


def bert_folder(folder: Path) -> Path:
    words = [f"filler{number}" for number in range(30522)]
    words[0], words[100:104] = "[PAD]", ["[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    words[2000:2009] = ["red", "tent", "lamp", "ada", "bo", "(", ")", ".", ","]
    (folder / "vocab.txt").write_text("\n".join(words))
    return folder


def test_a_trained_tokenizer_tells_cases_apart_so_no_title_is_changed():
    vocabulary = build_vocabulary(run({"vocab_size": 300}), ITEMS, Users(), [])
    tokenizer, catalog, num_changed = vocabulary.tokenizer, vocabulary.catalog, vocabulary.num_made_unique
    assert [item.text for item in catalog.items] == ["Red Tent", "red tent", "Lamp"]
    assert (num_changed, tokenizer.special.mask != tokenizer.special.gmask) == (0, True)


def test_titles_that_lower_case_makes_equal_get_their_brands(tmp_path):
    vocabulary = build_vocabulary(run({"path": str(bert_folder(tmp_path))}), ITEMS, Users(), [])
    tokenizer, catalog, num_changed = vocabulary.tokenizer, vocabulary.catalog, vocabulary.num_made_unique
    assert [item.text for item in catalog.items] == ["Red Tent (Ada)", "red tent (Bo)", "Lamp"]
    assert [item.token_ids for item in catalog.items] == [
        (2000, 2001, 2005, 2003, 2006),
        (2000, 2001, 2005, 2004, 2006),
        (2002,),
    ]
    assert (num_changed, tokenizer.special.start, tokenizer.vocab_size) == (2, 30522, 30592)


def test_with_an_entity_head_the_words_of_the_fields_stand_beside_the_text(tmp_path):
    items = Items(
        item_ids=["a", "b"],
        titles=["Red Tent", ""],
        brands=["Ada", None],
        categories=[("Lamp", "Tent"), ()],
        descriptions=[None, None],
    )
    config = run({"path": str(bert_folder(tmp_path))}, entity={"enabled": True})
    catalog = build_vocabulary(config, items, Users(), []).catalog
    assert catalog.items[0].field_token_ids == (2000, 2001, 2003, 2002, 2001)
    assert catalog.items[1].field_token_ids == catalog.items[1].token_ids, "without a title its unique text stands"


@pytest.mark.parametrize("entity", [{}, {"enabled": True, "words": False}])
def test_without_words_of_a_head_no_fields_are_written(entity):
    catalog = build_vocabulary(run({"vocab_size": 300}, entity=entity), ITEMS, Users(), []).catalog
    assert {item.field_token_ids for item in catalog.items} == {()}


def test_a_folder_without_tokenizer_is_refused(tmp_path):
    with pytest.raises(CheckpointError, match="holds no tokenizer"):
        build_vocabulary(run({"path": str(tmp_path)}), ITEMS, Users(), [])


def with_title(title: str, brand: str | None = None) -> Items:
    return Items(
        item_ids=["a", "b"],
        titles=["Lamp", title],
        brands=[None, brand],
        categories=[(), ()],
        descriptions=[None, None],
    )


DRAW = random.Random(0)
WITHOUT_BLANKS = "".join(DRAW.choices("abcdefghijklmnopqrstuvwxyz", k=400))
CHINESE = "".join(DRAW.choices("茶壶灯帐篷杯子红蓝绿大小新旧好山水火木金土", k=200))


@pytest.mark.parametrize("title", ["red tent " * 60, WITHOUT_BLANKS, CHINESE])
def test_a_title_that_is_longer_than_a_text_is_cut_to_half_of_it(title):
    items = with_title(title)
    config = run({"vocab_size": 300}, text={"max_tokens": 64})
    vocabulary = build_vocabulary(config, items, Users(), [])
    longest = longest_item(vocabulary.tokenizer, config.text)
    assert vocabulary.num_cut == 1
    assert items.titles[0] == "Lamp"
    assert title.startswith(items.titles[1])
    assert 0 < len(vocabulary.catalog.items[1].token_ids) <= longest // 2
    assert vocabulary.catalog.items[1].title == items.titles[1]


def test_words_stay_whole_where_a_title_is_cut():
    items = with_title("red tent " * 60)
    build_vocabulary(run({"vocab_size": 300}, text={"max_tokens": 64}), items, Users(), [])
    assert set(items.titles[1].split()) <= {"red", "tent"}


def test_cut_titles_that_become_equal_are_made_unique():
    items = with_title("red tent " * 60 + "x")
    items.titles[0] = "red tent " * 60 + "y"
    vocabulary = build_vocabulary(run({"vocab_size": 300}, text={"max_tokens": 64}), items, Users(), [])
    assert (vocabulary.num_cut, vocabulary.num_made_unique) == (2, 2)
    assert [item.text[-4:] for item in vocabulary.catalog.items] == [" (a)", " (b)"]


def test_a_title_that_just_fits_is_not_cut():
    config = run({"vocab_size": 300}, text={"max_tokens": 64})
    tokenizer = build_vocabulary(config, with_title("red tent"), Users(), []).tokenizer
    title = WITHOUT_BLANKS[: longest_item(tokenizer, config.text) - 1]
    assert len(tokenizer.encode_entity(title)) <= longest_item(tokenizer, config.text)
    items = with_title(title)
    assert build_vocabulary(config, items, Users(), []).num_cut == 0
    assert items.titles[1] == title


def test_an_item_whose_other_texts_are_too_long_is_named():
    config = run({"vocab_size": 300}, text={"max_tokens": 64})
    with pytest.raises(
        DataError, match=r"max_tokens is 64, too small for 1 items, .* item b has \d+, its text is 'aqaq"
    ):
        build_vocabulary(config, with_title("", brand="aqaq" + WITHOUT_BLANKS), Users(), [])
