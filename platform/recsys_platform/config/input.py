"""Settings of the input tables, the tokenizer and the data stage; one frozen dataclass each, with range checks."""

import codecs
from dataclasses import dataclass, field
from typing import Literal

from recsys_model.config import require
from recsys_platform.config.strict import IF_MISSING

TieOrder = Literal["table", "seeded"]
TimeUnit = Literal["auto", "s", "ms", "us", "ns", "days"]
ID_COLUMNS = ("user_id", "item_id")
DEFAULT_NEW_ITEMS = 0.05
"""`data.new_items` of `recsys new-items` where the run has none."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TableConfig:
    """One input table."""

    path: str
    """File, folder or pattern (`events-*.csv.gz`): a local path, `s3://` or `gs://`; `{storage}` is replaced."""
    further_paths: tuple[str, ...] = ()
    """More files or folders of the same table and file system, read after `path`; ids mean the same in all of them."""
    format: Literal["auto", "parquet", "csv", "jsonl"] = "auto"
    """`auto` goes by the file name's ending, and by the first line of `.txt` and `.dat`. `csv` is any text whose lines
    have the same number of values with a delimiter between them."""
    columns: dict[str, str | int] = field(default_factory=dict)
    """Our name -> the table's column name; a column not named here must carry our name. `event.item_id` is a field inside
    another column. With `header: false` a column is named by its place, counted from 0."""
    delimiter: str | None = None
    """What stands between the values of a line of text, one or more characters, or `tab`; none takes `,`, tab, `;`, `|`
    or `::`, whichever gives the header line the wanted columns."""
    header: bool = True
    """Whether the first line of a text file names its columns."""
    encoding: str = "utf-8"
    """Of text files: a name that Python knows, such as `latin-1`, `cp1252`, `gb18030` or `utf-16`."""
    explode: str | tuple[str, ...] = ()
    """Columns with lists of equal length, which become one row for each place of the lists."""
    where: str | None = None
    """Which rows count: comparisons joined by `and`, such as `label == 1 and kind in (view, buy)`; others are left out
    and counted."""
    order: Literal["time", "position", "rows"] = "time"
    """Of the interactions: `time` goes by their timestamp; `position` by that column and `rows` by their place in the
    table, which both need no timestamp. An event's place in its sequence then stands for seconds."""
    id_width: dict[str, int] = field(default_factory=dict)
    """Our name of a column of ids -> digits of its numbers: a table that lost the zeros in front gets them back."""
    time_unit: TimeUnit = "auto"
    """What numbers in `timestamp` count, from 1970; `days` are those of a spreadsheet. `auto` goes by the years that they
    would mean, and takes numbers such as 20240501 for dates."""
    time_format: str | None = None
    """How `timestamp` is written, as `strptime` of Python has it, such as `%m/%d/%Y %I:%M:%S %p`."""

    def __post_init__(self) -> None:
        bad = {name: width for name, width in self.id_width.items() if width < 1 or name not in ID_COLUMNS}
        require(not bad, f"input.*.id_width must give {' or '.join(ID_COLUMNS)} at least 1 digit, got {bad}")
        require(
            self.time_format is None or self.time_unit == "auto",
            f"input.*.time_unit {self.time_unit} is for numbers and input.*.time_format {self.time_format!r} for texts; "
            "set one of them",
        )
        require(self.delimiter != "", "input.*.delimiter must have at least one character, got ''")
        require(_is_encoding(self.encoding), f"input.*.encoding must be one that Python knows, got {self.encoding!r}")
        places = [name for name, place in self.columns.items() if isinstance(place, int)]
        require(
            not (self.header and places),
            f"input.*.columns names the places of {places}, which needs header: false; with a header give the names",
        )
        named = [name for name, place in self.columns.items() if not str(place).isdecimal()]
        require(
            self.header or not named,
            f"input.*.columns must name places, counted from 0, since header is false; got names for {named}",
        )

    @property
    def exploded(self) -> tuple[str, ...]:
        """The columns with lists."""
        return (self.explode,) if isinstance(self.explode, str) else self.explode


@dataclass(frozen=True, kw_only=True, slots=True)
class InputConfig:
    """The tables of a shop, or a folder that they are imported from, and how many bad rows are tolerated."""

    interactions: TableConfig
    """Columns user_id, item_id, timestamp; optional position, rating, action, review_text, summary."""
    items: TableConfig | Literal["from_interactions"] = field(
        metadata={IF_MISSING: "without a table of items write `items: from_interactions`"}
    )
    """Columns item_id, title; optional brand, categories, price, description. `from_interactions`: there is no such table;
    the items are those of the interactions, which may have these columns too."""
    users: TableConfig | None = None
    """Column user_id and any features."""
    folder: str | None = None
    """A folder to take all tables from, in place of naming them: a local path, `s3://` or `gs://`. `columns` of
    `interactions` and `items` then name fields of its files that are called otherwise than in the format."""
    format: Literal[
        "auto",
        "tables",
        "amazon2023",
        "mcauley",
        "movielens",
        "mind",
        "yelp",
        "steam",
        "goodreads",
        "bookcrossing",
        "lastfm",
        "hm",
        "retailrocket",
        "diginetica",
        "otto",
        "kuairec",
        "kuairand",
        "yambda",
        "recbole",
        "p5",
        "sequences",
        "lcrec",
        "minionerec",
    ] = "auto"
    """What is in `folder`; `auto` goes by its files. docs/formats.md describes the formats."""
    user_features: tuple[str, ...] | None = None
    """Feature columns of `users` to tell the model; none given takes all of them."""
    item_columns: tuple[str, ...] = ()
    """Further columns of `items`, numbers or texts, that rules of a request may name. Brand, categories and price always
    can be named, if `items` has them."""
    catalog: Literal["items", "interactions"] = "items"
    """`items`: every row of the items table, and interactions with other items are rejected; `interactions`: the items
    that occur there, without title where the items table has no row of them."""
    max_reject_share: float = 0.1
    """The data stage stops when a larger share of a table's rows has to be rejected."""

    def __post_init__(self) -> None:
        for name, other in (("items", self.items), ("users", self.users)):
            require(
                not isinstance(other, TableConfig) or (other.time_unit == "auto" and other.time_format is None),
                f"input.{name} has no times; set time_unit and time_format in input.interactions",
            )
        for name in ("items", "users"):
            table = getattr(self, name)
            order = table.order if isinstance(table, TableConfig) else "time"
            require(order == "time", f"input.{name}.order orders interactions; set input.interactions.order instead")
        require(
            not self.item_columns or isinstance(self.items, TableConfig),
            "input.item_columns names columns of input.items, which is from_interactions; make a table of the items",
        )
        require(
            0.0 <= self.max_reject_share <= 1.0,
            f"input.max_reject_share must be in [0, 1], got {self.max_reject_share}",
        )
        require(
            self.folder is not None or self.format == "auto",
            f"input.format says what is in input.folder, which is missing; got input.format {self.format}",
        )


def _is_encoding(name: str) -> bool:
    """Whether Python can decode bytes to text with this codec; some of its codecs do other things."""
    try:
        return isinstance(codecs.decode(b"", name), str)
    except (LookupError, TypeError, ValueError):
        return False


@dataclass(frozen=True, kw_only=True, slots=True)
class TokenizerConfig:
    """Where the token ids come from."""

    path: str | None = None
    """Tokenizer of the published model: a folder (see `recsys_model.text.pretrained`) or GGUF file; none trains a BPE."""
    vocab_size: int = 8192
    """Size of the trained BPE, special tokens included."""
    merge_words: bool = False
    """Whether a token of the trained BPE may span several words, in Chinese characters, which makes titles shorter."""

    def __post_init__(self) -> None:
        require(self.vocab_size >= 300, f"tokenizer.vocab_size must be at least 300, got {self.vocab_size}")


@dataclass(frozen=True, kw_only=True, slots=True)
class DataConfig:
    """The data stage."""

    num_blocks: int | None = None
    """Partitions of the per-user shuffle; none makes two for every CPU, or more if each would have over 500,000
    interactions. The examples do not depend on it."""
    min_user_interactions: int = 3
    """Users with fewer accepted interactions give no example: leave-one-out needs a test, a validation and an input event."""
    targets_per_user: int = 1
    """Training examples per user: its last so many training events, each a target once; 0 takes every event."""
    target_stride: int = 1
    """Of these events, every how many-th is a target, counted from the last. With `objective.next_item_target: all` a row
    asks for all items that it tells of, so `window.max_history` makes each event a target about once."""
    max_eval_users: int = 0
    """Users in the validation split, drawn by seed among those who have a validation event; 0 takes all."""
    split: Literal["leave_one_out", "temporal"] = "leave_one_out"
    """`leave_one_out`: each user's last event tests, the one before validates; `temporal`: all users' events are cut at
    the same two moments, and each user's first event of a period is asked for."""
    valid_share: float = 0.1
    """With `split: temporal`, share of all events in the validation period."""
    test_share: float = 0.1
    """With `split: temporal`, share of all events in the test period."""
    tie_order: TieOrder = "table"
    """Order of a user's events with equal times. `table`: by `position` where the table has it, else by row; `seeded`: by
    a hash of (seed, user id, item id), for tables whose order says nothing, such as one sorted by item id."""
    max_leak_share: float = 0.01
    """The data stage stops when the input gives away a larger share of the test targets; 1.0 only reports."""
    new_items: float = 0.0
    """Share of the items, drawn by seed, that is held out with all its events, as if nobody had bought these items yet;
    `recsys new-items` measures what becomes of them once they are added while serving."""

    def __post_init__(self) -> None:
        require(
            self.num_blocks is None or self.num_blocks >= 1,
            f"data.num_blocks must be at least 1, got {self.num_blocks}",
        )
        require(
            self.min_user_interactions >= 3,
            f"data.min_user_interactions must be at least 3, got {self.min_user_interactions}",
        )
        require(self.targets_per_user >= 0, f"data.targets_per_user must not be negative, got {self.targets_per_user}")
        require(self.target_stride >= 1, f"data.target_stride must be at least 1, got {self.target_stride}")
        require(
            0.0 <= self.max_leak_share <= 1.0,
            f"data.max_leak_share must be in [0, 1], got {self.max_leak_share}",
        )
        require(
            min(self.valid_share, self.test_share) > 0.0 and self.valid_share + self.test_share < 1.0,
            "data.valid_share and data.test_share must be above 0 and add up to less than 1, got "
            f"{self.valid_share} and {self.test_share}",
        )
        require(self.max_eval_users >= 0, f"data.max_eval_users must not be negative, got {self.max_eval_users}")
        require(0.0 <= self.new_items <= 0.5, f"data.new_items must be in [0, 0.5], got {self.new_items}")
