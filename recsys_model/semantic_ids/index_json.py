"""Index files of MiniOneRec and LC-Rec: `NAME.index.json`, with `NAME.item.json` and `NAME.item2id` beside it.

    NAME.index.json   {"0": ["<a_236>", "<b_231>", "<c_226>"], ...}
    NAME.item.json    {"0": {"title": "...", ...}, ...}      optional: titles
    NAME.item2id      raw id, tab, number                    optional: raw ids

LC-Rec has 4 levels. MiniOneRec has 3, and a fourth one only for items that would share the first three.
"""

import html
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from recsys_model.errors import ConfigError, DataError
from recsys_model.semantic_ids.documents import read_json_object, read_text
from recsys_model.semantic_ids.index import Layout, SemanticId, SemanticIndex, name_some

ENDING = ".index.json"
ITEM_ENDING = ".item.json"
RAW_ID_ENDING = ".item2id"
LCREC_LEVELS = 4
MINIONEREC_LEVELS = 3
TOKEN_LAYOUTS: tuple[Layout, ...] = ("minionerec", "lcrec")


def read_index_json(path: Path, document: Mapping[str, Any], layout: Layout | None = None) -> SemanticIndex:
    """Return the index of a JSON object of token lists; `layout` decides where the number of levels does not.

    Raises:
        ConfigError: the number of levels fits no project and `layout` is None, or `layout` has other files.
        DataError: an entry is no list of tokens, or a file beside the index is damaged.
    """
    semantic_ids = tuple(_read_tokens(path, key, value) for key, value in document.items())
    lengths = sorted(set(map(len, semantic_ids)))
    keys = tuple(document)
    raw_ids, raw_notes = _read_raw_ids(path, keys)
    titles, title_notes = _read_titles(path, keys)
    return SemanticIndex(
        source=str(path),
        layout=_recognise(path, lengths) if layout is None else _check_layout(path, layout),
        why=f"{path.name} is a JSON object of token lists, {_describe(lengths)} levels",
        keys=keys,
        item_ids=raw_ids,
        semantic_ids=semantic_ids,
        titles=titles,
        notes=(*raw_notes, *title_notes),
    )


def _read_tokens(path: Path, key: str, value: Any) -> SemanticId:
    if not isinstance(value, list) or not value or not all(isinstance(token, str) and token for token in value):
        raise DataError(f'{path}: item {key!r} must have a list of tokens such as ["<a_1>", "<b_2>"], got {value!r}')
    return tuple(value)


def _recognise(path: Path, lengths: list[int]) -> Layout:
    if lengths == [LCREC_LEVELS]:
        return "lcrec"
    if lengths in ([MINIONEREC_LEVELS], [MINIONEREC_LEVELS, MINIONEREC_LEVELS + 1]):
        return "minionerec"
    raise ConfigError(
        f"{path} has semantic ids of {_describe(lengths)} levels; LC-Rec has 4, MiniOneRec 3 or, for some items, 4; "
        f"set the layout to {' or '.join(TOKEN_LAYOUTS)}, whose prompt is then the default"
    )


def _check_layout(path: Path, layout: Layout) -> Layout:
    if layout not in TOKEN_LAYOUTS:
        raise ConfigError(
            f"{path} holds lists of tokens, so its layout is one of {', '.join(TOKEN_LAYOUTS)}, not {layout}"
        )
    return layout


def _describe(lengths: list[int]) -> str:
    return " or ".join(map(str, lengths))


def _read_raw_ids(path: Path, keys: tuple[str, ...]) -> tuple[tuple[str, ...], list[str]]:
    """Return the raw id of each key, or the key itself, and what is unusual."""
    file = _beside(path, RAW_ID_ENDING)
    if file is None:
        return keys, []
    number_to_raw: dict[str, str] = {}
    for number, line in enumerate(read_text(file).splitlines(), start=1):
        raw, tab, key = line.rpartition("\t")
        if line and (not tab or not raw):
            raise DataError(f"{file} line {number} must be a raw id, a tab and a number, got {line!r}")
        number_to_raw[key] = raw
    lacking = [key for key in keys if key not in number_to_raw]
    notes = [f"{file.name} lacks {name_some(lacking)}; these items keep their numbers"] if lacking else []
    return tuple(number_to_raw.get(key, key) for key in keys), [f"{file.name} has the raw ids of the items", *notes]


def _read_titles(path: Path, keys: tuple[str, ...]) -> tuple[tuple[str | None, ...], list[str]]:
    """Return the title of each key and what is unusual."""
    file = _beside(path, ITEM_ENDING)
    if file is None:
        return (None,) * len(keys), [f"there is no NAME{ITEM_ENDING} beside {path.name}, so items have no titles"]
    records = read_json_object(file)
    titles = tuple(_title_of(file, key, records.get(key)) for key in keys)
    with_id = set(keys)
    without_id = [key for key in records if key not in with_id]
    notes = [f"{file.name} has items without a semantic id, which are never recommended: {name_some(without_id)}"]
    return titles, [f"{file.name} has the titles of the items", *(notes if without_id else [])]


def _title_of(file: Path, key: str, record: Any) -> str | None:
    if record is None:
        return None
    if not isinstance(record, dict):
        raise DataError(f"{file}: item {key!r} must be an object, got {record!r}")
    title = record.get("title")
    if title is not None and not isinstance(title, str):
        raise DataError(f"{file}: the title of item {key!r} must be a text, got {title!r}")
    return html.unescape(title) if title else None


def _beside(path: Path, ending: str) -> Path | None:
    """Return the file of the same data set: `NAME.faiss-rq.index.json` belongs to `NAME.item.json` too."""
    return next((file for file in _candidates(path, ending) if file.is_file()), None)


def _candidates(path: Path, ending: str) -> Iterator[Path]:
    stem = path.name.removesuffix(ENDING).removesuffix(".json")
    while stem:
        yield path.with_name(f"{stem}{ending}")
        stem = stem.rpartition(".")[0]
