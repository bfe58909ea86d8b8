"""Settings of the input tables, the tokenizer and the data stage; one frozen dataclass each, with range checks."""

from dataclasses import dataclass, field
from typing import Literal

from recsys_model.config import require

TieOrder = Literal["table", "seeded"]
TimeUnit = Literal["auto", "s", "ms", "us", "ns", "days"]
ID_COLUMNS = ("user_id", "item_id")
DEFAULT_NEW_ITEMS = 0.05
"""`data.new_items` of `recsys new-items` where the run has none."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TableConfig:
    """One input table."""

    path: str
    """File or folder: a local path, `s3://` or `gs://`; `{storage}` is replaced."""
    further_paths: tuple[str, ...] = ()
    """More files or folders of the same table and file system, read after `path`; ids mean the same in all of them."""
    format: Literal["auto", "parquet", "csv", "jsonl"] = "auto"
    """`auto` goes by the file name's ending."""
    columns: dict[str, str] = field(default_factory=dict)
    """Our name -> the table's column name; a column not named here must carry our name."""
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


@dataclass(frozen=True, kw_only=True, slots=True)
class InputConfig:
    """The tables of a shop, or a folder that they are imported from, and how many bad rows are tolerated."""

    interactions: TableConfig
    """Columns user_id, item_id, timestamp; optional position, rating, action, review_text, summary."""
    items: TableConfig
    """Columns item_id, title; optional brand, categories, price, description."""
    users: TableConfig | None = None
    """Column user_id and any features."""
    folder: str | None = None
    """A folder to take all tables from, in place of naming them: a local path, `s3://` or `gs://`."""
    format: Literal["auto", "tables", "mcauley", "movielens", "recbole", "p5"] = "auto"
    """What is in `folder`; `auto` goes by its files."""
    user_features: tuple[str, ...] | None = None
    """Feature columns of `users` to tell the model; none given takes all of them."""
    catalog: Literal["items", "interactions"] = "items"
    """`items`: every row of the items table, and interactions with other items are rejected; `interactions`: the items
    that occur there, without title where the items table has no row of them."""
    max_reject_share: float = 0.1
    """The data stage stops when a larger share of a table's rows has to be rejected."""

    def __post_init__(self) -> None:
        for name, table in (("items", self.items), ("users", self.users)):
            require(
                not isinstance(table, TableConfig) or (table.time_unit == "auto" and table.time_format is None),
                f"input.{name} has no times; set time_unit and time_format in input.interactions",
            )
        require(
            0.0 <= self.max_reject_share <= 1.0,
            f"input.max_reject_share must be in [0, 1], got {self.max_reject_share}",
        )
        require(
            self.folder is not None or self.format == "auto",
            f"input.format says what is in input.folder, which is missing; got input.format {self.format}",
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class TokenizerConfig:
    """Where the token ids come from."""

    path: str | None = None
    """Tokenizer of the published model: a folder (see `recsys_model.text.pretrained`) or GGUF file; none trains a BPE."""
    vocab_size: int = 8192
    """Size of the trained BPE, special tokens included."""
    merge_words: bool = False
    """Whether a token of the trained BPE may span several words, which makes titles shorter."""

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
