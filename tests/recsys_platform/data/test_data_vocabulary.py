"""The tokenizer of the data stage: trained, or that of a published model."""

from pathlib import Path

import pytest

from recsys_model.errors import CheckpointError
from recsys_platform.config.run import RunConfig, build_config
from recsys_platform.data.input.contract import Items, Users
from recsys_platform.data.vocabulary import build_vocabulary

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
    tokenizer, catalog, num_changed = build_vocabulary(run({"vocab_size": 300}), ITEMS, Users(), [])
    assert [item.text for item in catalog.items] == ["Red Tent", "red tent", "Lamp"]
    assert (num_changed, tokenizer.special.mask != tokenizer.special.gmask) == (0, True)


def test_titles_that_lower_case_makes_equal_get_their_brands(tmp_path):
    tokenizer, catalog, num_changed = build_vocabulary(run({"path": str(bert_folder(tmp_path))}), ITEMS, Users(), [])
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
    _, catalog, _ = build_vocabulary(config, items, Users(), [])
    assert catalog.items[0].field_token_ids == (2000, 2001, 2003, 2002, 2001)
    assert catalog.items[1].field_token_ids == catalog.items[1].token_ids, "without a title its unique text stands"


@pytest.mark.parametrize("entity", [{}, {"enabled": True, "words": False}])
def test_without_words_of_a_head_no_fields_are_written(entity):
    _, catalog, _ = build_vocabulary(run({"vocab_size": 300}, entity=entity), ITEMS, Users(), [])
    assert {item.field_token_ids for item in catalog.items} == {()}


def test_a_folder_without_tokenizer_is_refused(tmp_path):
    with pytest.raises(CheckpointError, match="holds no tokenizer"):
        build_vocabulary(run({"path": str(tmp_path)}), ITEMS, Users(), [])
