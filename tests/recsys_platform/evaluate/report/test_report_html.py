"""The HTML page: complete in itself, well formed, and unmoved by hostile titles."""

import base64
import re
from typing import get_args

import pytest

from recsys_platform.evaluate.report.content import Report
from recsys_platform.evaluate.report.document import Block, Code, Document, Section, Table, one_line
from recsys_platform.evaluate.report.html_page import FOLDER, STYLE, Image, render_html
from recsys_platform.evaluate.report.write import build_document
from tests.recsys_platform.evaluate.report.page_reader import PageReader
from tests.recsys_platform.evaluate.report.tiny_report import HOSTILE, report_of, tiny_document, tiny_report


def page_of(document: Document) -> str:
    return render_html(document, {name: Image(f"light {name}".encode(), b"dark") for name in document.pictures()})


@pytest.fixture(scope="module")
def page() -> str:
    return page_of(build_document(tiny_report()))


def test_the_sections_come_in_the_agreed_order_and_the_contents_lead_to_each(page):
    reader = PageReader(page)

    links = [value for tag, name, value in reader.attributes if (tag, name) == ("a", "href")]
    assert links == [f"#{value}" for tag, name, value in reader.attributes if (tag, name) == ("section", "id")]
    assert links == [
        "#summary",
        "#what-was-measured",
        "#ranking",
        "#baselines",
        "#task-families",
        "#tables-of-the-paper",
        "#coverage-and-popularity-bias",
        "#hit-rates-of-groups",
        "#training",
        "#speed",
        "#examples",
        "#configuration-and-versions",
    ]


def test_the_page_needs_nothing_from_elsewhere_and_runs_nothing(page):
    reader = PageReader(page)

    assert not {"script", "link", "iframe", "object", "embed", "form", "base"} & set(reader.tags)
    loaded = [value for _, name, value in reader.attributes if name in ("src", "srcset", "poster", "background")]
    assert len(loaded) == 2 * 6  # six plots, each for light and for dark pages
    assert all(value.startswith("data:image/png;base64,") for value in loaded)
    assert not re.search(r"url\(|@import|https?:", STYLE)
    assert not [name for _, name, _ in reader.attributes if name.startswith("on")]


def test_every_plot_is_inside_with_words_for_those_who_do_not_see_it(page):
    reader = PageReader(page)

    pictures = [value for tag, name, value in reader.attributes if (tag, name) == ("img", "src")]
    held = [base64.b64decode(value.partition(",")[2]).decode() for value in pictures]
    names = ("methods_1", "hit_rate_over_k", "popularity", "history", "learning_curve", "family_losses")
    assert held == [f"light {name}" for name in names]
    assert all(value for tag, name, value in reader.attributes if (tag, name) == ("img", "alt"))


def test_tables_are_rectangular_with_captions_and_headed_rows_and_columns(page):
    reader = PageReader(page)

    assert all(len({len(row) for row in table}) == 1 for table in reader.tables)
    assert reader.tags.count("caption") == reader.tags.count("table") == len(reader.tables)
    scopes = [value for tag, name, value in reader.attributes if (tag, name) == ("th", "scope")]
    assert scopes.count("col") == sum(len(table[0]) for table in reader.tables)
    assert scopes.count("row") == sum(len(table) - 1 for table in reader.tables)


def test_the_ranking_table_says_what_the_report_says(page):
    assert PageReader(page).tables[0] == [
        ["method", "HR@1", "HR@10"],
        ["RecSysLLM", "0.2000 (0.1800 to 0.2200)", "0.6000 (0.5800 to 0.6200)"],
        ["co-occurrence", "0.2100 (0.1900 to 0.2300)", "0.3000 (0.2800 to 0.3200)"],
        ["popularity", "0.0500 (0.0300 to 0.0700)", "0.1000 (0.0800 to 0.1200)"],
        ["best reachable", "-", "0.7000"],
    ]


def test_it_is_readable_on_a_phone_and_in_the_dark(page):
    attributes = PageReader(page).attributes

    assert ("meta", "content", "width=device-width, initial-scale=1") in attributes
    assert "@media (prefers-color-scheme: dark)" in STYLE
    assert ("source", "media", "(prefers-color-scheme: dark)") in attributes
    assert ("html", "lang", "en") in attributes


@pytest.mark.parametrize("hostile", HOSTILE)
def test_hostile_texts_are_shown_and_change_nothing_of_the_page(hostile):
    calm = PageReader(page_of(build_document(poisoned("plain"))))

    reader = PageReader(page_of(build_document(poisoned(hostile))))

    assert reader.tags == calm.tags
    assert [pair[:2] for pair in reader.attributes] == [pair[:2] for pair in calm.attributes]
    shown = one_line(hostile) or "(empty)"
    assert [item for item in reader.list_items if item == shown] == [shown] * 4
    assert reader.strong == [shown, shown]
    assert reader.tables[-1][1] == [one_line(hostile), "1"]


def poisoned(text: str) -> Report:
    """Return the report with a text in every place that comes from data."""
    document = tiny_document()
    document["name"] = text or "empty"
    document["method_titles"]["popularity"] = text or "popularity"
    document["examples"] = [
        {"user_id": text, "num_history": 2, "history": [text, text], "truth": text, "rank": 1, "recommended": [text]}
    ]
    for task in document["tasks"]:
        task["examples"] = [{"question": text, "truth": text, "answer": text}]
    document["versions"] = {text: "1"}
    document["config"]["name"] = text
    return report_of(document)


def test_control_characters_and_changes_of_direction_are_left_out():
    page = page_of(build_document(poisoned("a\u202eb\x07c")))

    assert "abc" in page
    assert not {"\u202e", "\x07"} & set(page)


def test_a_line_has_no_character_that_cannot_be_written():
    assert one_line("a\ud800b\tc").encode("utf-8") == b"ab c"


def test_rows_that_stand_out_have_a_strong_name():
    table = Table("ranks", ["rank", "HR@1"], [["2", "0.2"], ["8", "0.5"]], marked=frozenset({1}))

    assert PageReader(page_of(Document("Run", [Section("Ranks", [table])]))).strong == ["8"]


def test_code_keeps_its_lines_and_blanks_and_is_escaped():
    text = "{\n  'a': \"<b>\"\n}"

    page = page_of(Document("Run", [Section("Settings", [Code(text)])]))

    assert "<code>{\n  &#39;a&#39;: &#34;&lt;b&gt;&#34;\n}</code>" in page


def test_no_template_turns_escaping_off_and_every_kind_of_block_has_a_place():
    templates = {path.name: path.read_text(encoding="utf-8") for path in FOLDER.glob("*.jinja")}

    assert set(templates) == {"report.html.jinja", "blocks.html.jinja"}
    assert not re.search(r"\bsafe\b|autoescape", "".join(templates.values()))
    tests = re.findall(r"if block is (\w+) %", templates["blocks.html.jinja"])
    assert sorted(tests) == sorted(kind.__name__.lower() for kind in get_args(Block))
