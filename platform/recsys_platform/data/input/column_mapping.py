"""Map our names of columns to those of a table."""

from collections.abc import Mapping, Sequence

from recsys_model.errors import DataError
from recsys_platform.config.input import TableConfig
from recsys_platform.data.input.files import TableFiles
from recsys_platform.data.input.found_columns import FoundColumns
from recsys_platform.data.input.listing import describe_names

MAX_NAMES = 40
"""Names that a message lists."""


def wanted_names(config: TableConfig, required: Sequence[str]) -> list[str]:
    """Return the names of the columns that a header line should have."""
    return [str(config.columns.get(name, name)) for name in dict.fromkeys((*required, *config.columns))]


def map_columns(
    files: TableFiles,
    config: TableConfig,
    found: FoundColumns,
    required: Sequence[str],
    optional: Sequence[str] | None,
) -> dict[str, str]:
    """Return our name -> the table's, for the columns that are read.

    Args:
        files: The files.
        config: The names that are configured.
        found: The columns that the files have.
        required: Our names of the columns that must be there.
        optional: Our names of those that are read where they exist; None reads all others that are no index.

    Raises:
        DataError: a column is missing, or one is named that the contract has not.
    """
    configured = {ours: str(theirs) for ours, theirs in config.columns.items()}
    if optional is not None:
        unknown = sorted(set(configured) - {*required, *optional})
        if unknown:
            raise DataError(
                f"input.{files.table}.columns: {unknown} are not columns of the contract; it has:  {[*required, *optional]}"
            )
    mapping = {name: configured.get(name, name) for name in required}
    if optional is None:
        taken = {*mapping.values(), *configured.values(), *found.index_names}
        optional = [*configured, *(name for name in found.names if config.header and name not in taken)]
    mapping |= {
        name: configured.get(name, name)
        for name in optional
        if name in configured or (name in found.names and name not in mapping)
    }
    lacking = {ours: theirs for ours, theirs in mapping.items() if not found.has(theirs)}
    if lacking:
        raise DataError(_describe_lacking(files, config, found, lacking))
    return mapping


def _describe_lacking(files: TableFiles, config: TableConfig, found: FoundColumns, lacking: Mapping[str, str]) -> str:
    where = f"input.{files.table}"
    names = [theirs if ours == theirs else f"{theirs} (our {ours})" for ours, theirs in lacking.items()]
    has = sorted(found.names)
    listed = f"{has}" if len(has) <= MAX_NAMES else f"{len(has)} columns, among them {has[:MAX_NAMES]}"
    inner = f", and inside them {describe_names(sorted(found.inner_paths), MAX_NAMES)}" if found.inner_paths else ""
    advice = f"Name them in {where}.columns, as `our_name: their_name`"
    if not config.header:
        advice = f"Name their places in {where}.columns, counted from 0, as `our_name: place`"
    elif found.is_one_object:
        advice += ". The file is one JSON object; rows are one object a line, or a list that explode names"
    elif files.format == "csv" and len(found.names) == 1:
        advice += f". The first line has one value only: {where}.delimiter says what stands between values"
    return f"{files.where} lacks the columns {names}; it has {listed}{inner}. {advice}"
