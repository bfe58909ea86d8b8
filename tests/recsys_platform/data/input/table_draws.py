"""Draw tables of any types, and write each in Parquet, CSV and JSON lines as other programs do."""

import csv
import datetime
import decimal
import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import strategies as st

FORMATS = ("parquet", "csv", "jsonl")
ODD_TEXTS = (
    *(
        "007",
        "12.0",
        "12",
        " x ",
        "",
        "  ",
        "A|B",
        "nan",
        "NaN",
        "inf",
        "Infinity",
        "None",
        "true",
        "True",
        "-0.0",
        "1e5",
    ),
    *(
        "1e+16",
        "1.08776E+08",
        "9007199254740993.0",
        "1,012.50",
        "$1,012.50",
        "R&amp;B",
        "&copy",
        "[sic] Tent",
        "[Deluxe]",
    ),
    *(
        '["a", "b"]',
        "['a', 'b']",
        "['a' 'b']",
        "[1 2]",
        '{"a": 1}',
        '[["a"], ["a", "b"]]',
        '[{"n": 1}]',
        "[",
        "{}",
        "[]",
    ),
    *("2024-05-01", "2024-05-01T00:00:00Z", "20240501", "ü 漢字 🎒", 'say "hi"', "a,b", "a\tb", "\u00a0", "#malformed"),
)
TEXTS = st.one_of(
    st.sampled_from(ODD_TEXTS), st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]), max_size=6)
)
FLOATS = st.one_of(
    st.floats(-1e6, 1e6),
    st.integers(-(2**53) - 2, 2**53 + 2).map(float),
    st.floats(allow_nan=False, allow_infinity=False),
)
# NumPy and pandas write a float32 from 1e6 on as `1e+06`, which no longer tells whether digits are lost
SINGLES = st.integers(-(2**21), 2**21).map(lambda value: value / 4)
MOMENTS = st.datetimes(datetime.datetime(1995, 1, 1), datetime.datetime(2025, 1, 1)).map(
    lambda moment: moment.replace(microsecond=moment.microsecond // 1000 * 1000)
)
DECIMALS = st.decimals(-(10**8), 10**8, places=2)


@dataclass(frozen=True)
class Kind:
    """A column type, with its values."""

    type: pa.DataType
    values: st.SearchStrategy[Any]


def text_kinds(values: st.SearchStrategy[str] = TEXTS) -> list[Kind]:
    views = [Kind(kind, values) for kind in (pa.string(), pa.large_string(), pa.string_view())]
    as_bytes = values.map(str.encode)
    binaries = [Kind(kind, as_bytes) for kind in (pa.binary(), pa.large_binary())]
    return [*views, *binaries, Kind(pa.dictionary(pa.int32(), pa.string()), values)]


NUMBER_KINDS = [
    Kind(pa.int64(), st.integers(-(2**63), 2**63 - 1)),
    Kind(pa.int8(), st.integers(0, 9)),
    Kind(pa.uint64(), st.integers(0, 2**64 - 1)),
    Kind(pa.float64(), FLOATS),
    Kind(pa.float32(), SINGLES),
    Kind(pa.decimal128(20, 2), DECIMALS),
    Kind(pa.decimal128(20, 0), st.integers(-(10**19), 10**19).map(decimal.Decimal)),
]
ID_KINDS = [*text_kinds(), *NUMBER_KINDS, Kind(pa.binary(16), st.uuids().map(lambda value: value.bytes))]
LABEL_KINDS = [
    *text_kinds(),
    *NUMBER_KINDS,
    Kind(pa.bool_(), st.booleans()),
    Kind(pa.date32(), MOMENTS.map(datetime.datetime.date)),
    Kind(pa.timestamp("us"), MOMENTS),
    Kind(pa.timestamp("ms", tz="Europe/Berlin"), MOMENTS.map(lambda moment: moment.replace(tzinfo=datetime.UTC))),
    Kind(pa.list_(pa.string()), st.lists(TEXTS, max_size=3)),
    Kind(pa.list_(pa.int64()), st.lists(st.integers(0, 99), max_size=3)),
    Kind(pa.list_(pa.list_(pa.string())), st.lists(st.lists(TEXTS, max_size=2), max_size=2)),
    Kind(pa.struct([("name", pa.string())]), st.fixed_dictionaries({"name": TEXTS})),
]
SECONDS = st.integers(800_000_000, 1_700_000_000)
TIME_KINDS = [
    *text_kinds(st.one_of(MOMENTS.map(str), MOMENTS.map(datetime.datetime.isoformat))),
    *text_kinds(),
    Kind(pa.int64(), SECONDS),
    Kind(pa.int64(), SECONDS.map(lambda value: value * 1000)),
    Kind(pa.int64(), SECONDS.map(lambda value: value * 1_000_000)),
    Kind(pa.int64(), MOMENTS.map(lambda moment: int(moment.strftime("%Y%m%d")))),
    Kind(pa.int64(), st.integers(0, 99999)),
    Kind(pa.float64(), SECONDS.map(lambda value: value + 0.5)),
    Kind(pa.float32(), st.integers(0, 2**22).map(float)),
    Kind(pa.decimal128(20, 2), SECONDS.map(decimal.Decimal)),
    Kind(pa.date32(), MOMENTS.map(datetime.datetime.date)),
    Kind(pa.timestamp("us"), MOMENTS),
    Kind(pa.timestamp("ns", tz="America/New_York"), MOMENTS.map(lambda moment: moment.replace(tzinfo=datetime.UTC))),
    Kind(pa.bool_(), st.booleans()),
]
COLUMN_TO_KINDS: dict[str, dict[str, list[Kind]]] = {
    "interactions": {
        "user_id": ID_KINDS,
        "item_id": ID_KINDS,
        "timestamp": TIME_KINDS,
        "rating": [*NUMBER_KINDS, *text_kinds()],
        "action": LABEL_KINDS,
        "summary": text_kinds(),
    },
    "items": {
        "item_id": ID_KINDS,
        "title": text_kinds(),
        "brand": LABEL_KINDS,
        "categories": LABEL_KINDS,
        "price": LABEL_KINDS,
    },
    "users": {"user_id": ID_KINDS, "age": LABEL_KINDS, "home": LABEL_KINDS},
}


@dataclass(frozen=True)
class DrawnTable:
    """One table and how it is written."""

    kinds: dict[str, Kind]
    rows: list[dict[str, Any]]
    bool_text: Callable[[bool], str]
    list_text: Callable[[Any], str]
    leaves_out_nulls: bool

    def write(self, path: Path) -> None:
        """Write the table in the format of the ending."""
        {".parquet": self._write_parquet, ".csv": self._write_csv, ".jsonl": self._write_jsonl}[path.suffix](path)

    def _write_parquet(self, path: Path) -> None:
        columns = {name: self._array([row[name] for row in self.rows], kind) for name, kind in self.kinds.items()}
        pq.write_table(pa.table(columns), path)

    def _array(self, values: list[Any], kind: Kind) -> pa.Array:
        if pa.types.is_dictionary(kind.type):
            return pa.array(values, kind.type.value_type).dictionary_encode()
        return pa.array(values, kind.type)

    def _write_csv(self, path: Path) -> None:
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(self.kinds)
            for row in self.rows:
                writer.writerow([self._text(row[name], kind) for name, kind in self.kinds.items()])

    def _write_jsonl(self, path: Path) -> None:
        lines = []
        for row in self.rows:
            values = {name: self._json(row[name], kind) for name, kind in self.kinds.items()}
            if self.leaves_out_nulls:
                values = {name: value for name, value in values.items() if value is not None or row is self.rows[0]}
            lines.append(json.dumps(values, ensure_ascii=False) + "\n")
        path.write_text("".join(lines), encoding="utf-8")

    def _text(self, value: Any, kind: Kind) -> str:
        if value is None:
            return ""
        if isinstance(value, bool):
            return self.bool_text(value)
        if isinstance(value, (list, dict)):
            return self.list_text(value)
        return str(np.float32(value)) if kind.type == pa.float32() else str(self._json(value, kind))

    def _json(self, value: Any, kind: Kind) -> Any:
        if isinstance(value, bytes):
            return str(uuid.UUID(bytes=value)) if kind.type == pa.binary(16) else value.decode()
        if value is None or isinstance(value, (bool, int, float, list, dict)):
            return value
        return str(value)


@st.composite
def drawn_tables(draw: st.DrawFn, table: str) -> DrawnTable:
    """Draw the types, the values with some missing, and the habits of the writers."""
    kinds = {name: draw(st.sampled_from(kinds)) for name, kinds in COLUMN_TO_KINDS[table].items()}
    values = {name: st.one_of(kind.values, kind.values, kind.values, st.none()) for name, kind in kinds.items()}
    return DrawnTable(
        kinds=kinds,
        rows=draw(st.lists(st.fixed_dictionaries(values), min_size=1, max_size=5)),
        bool_text=draw(st.sampled_from([str, lambda value: str(value).lower()])),
        list_text=draw(st.sampled_from([str, json.dumps])),
        leaves_out_nulls=draw(st.booleans()),
    )
