"""Prompts and answers of the projects, and how they are changed."""

import pytest

from recsys_model.errors import ConfigError
from recsys_model.semantic_ids.index import LAYOUTS
from recsys_model.semantic_ids.published_format import published_format

TWO = ["<a_1><b_2>", "<a_3><b_4>"]


def test_a_prompt_of_minionerec_ends_behind_the_response_line() -> None:
    form = published_format("minionerec")
    prompt = form.write_prompt(TWO)
    assert prompt.endswith("interaction history: <a_1><b_2>, <a_3><b_4>\n\n### Response:\n")
    assert "completes the request. \n\n### Instruction:\n" in prompt
    assert "### User Input: \n" in prompt
    assert (form.end, form.ends_with_eos, form.num_beams) == ("\n", True, 50)


def test_a_prompt_of_lcrec_ends_at_the_response_and_holds_twenty_items() -> None:
    form = published_format("lcrec")
    prompt = form.write_prompt([f"<a_{n}>" for n in range(22)])
    assert "interacted with items <a_2>, <a_3>," in prompt
    assert prompt.endswith(
        "<a_20>, <a_21> in chronological order. Can you predict the next possible item that the user may expect?\n\n### Response:"
    )
    assert (form.end, form.ends_with_eos, form.num_beams) == ("", True, 20)


def test_a_prompt_of_openonerec_is_a_chat_without_thinking_whose_answer_begins_an_id() -> None:
    form = published_format("openonerec")
    prompt = form.write_prompt(["<s_a_1><s_b_2><s_c_3>", "<s_a_4><s_b_5><s_c_6>"])
    items = "<|sid_begin|><s_a_1><s_b_2><s_c_3><|sid_end|><|sid_begin|><s_a_4><s_b_5><s_c_6><|sid_end|>"
    assert f"\n{items}/no_think<|im_end|>\n<|im_start|>assistant\n" in prompt
    assert prompt.endswith("<think>\n\n</think>\n\n<|sid_begin|>")
    assert (form.end, form.ends_with_eos, form.items_per_id) == ("", False, 1)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_part_can_be_changed(layout) -> None:
    changed = {
        "template": "Bought: {history}; next",
        "begin": ":",
        "item": "({semantic_id})",
        "separator": " | ",
        "max_history": 1,
        "end": "!",
        "ends_with_eos": False,
        "num_beams": 3,
        "items_per_id": 2,
    }
    form = published_format(layout, changed)
    assert form.write_prompt(TWO) == "Bought: (<a_3><b_4>); next:"
    assert {name: getattr(form, name) for name in changed} == changed


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"template": "no place"}, r"template must have \{history\} once, got 'no place'"),
        ({"template": "{history} {history}"}, r"template must have \{history\} once"),
        ({"item": "x"}, r"item must have \{semantic_id\} once"),
        ({"begin": ""}, "begin must be a text that ends each prompt in the same way"),
        ({"max_history": -1}, "max_history must be at least 0, got -1"),
        ({"num_beams": 0}, "num_beams must be at least 1, got 0"),
        ({"num_beams": True}, "num_beams must be int, got True"),
        ({"ends_with_eos": "no"}, "ends_with_eos must be bool, got 'no'"),
        ({"end": None}, "end must be str, got None"),
        ({"prefix": "x"}, "settings of a published format are template, .*; got prefix"),
    ],
)
def test_a_setting_that_cannot_be_is_refused(settings: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        published_format("minionerec", settings)
