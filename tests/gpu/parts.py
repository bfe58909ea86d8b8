"""A large file as parts that travel one by one, and the file again, its checksum compared.

    python -m tests.gpu.parts split FILE FOLDER [--mib 60]
    python -m tests.gpu.parts join FOLDER [OUTPUT_FOLDER]

Parts are called `NAME.part-1-of-2`; `NAME.parts.json` beside them holds the size and the SHA-256 of each and of the whole.
"""

import argparse
import hashlib
import json
from pathlib import Path

from recsys_model.errors import DataError

LIST_ENDING = ".parts.json"
MIB = 2**20
BLOCK_BYTES = 8 * MIB


def split_file(path: Path, folder: Path, part_bytes: int = 60 * MIB) -> list[Path]:
    """Write the parts of a file, each of at most `part_bytes`, and their list into a folder; return all of these files.

    Raises:
        DataError: there is no such file, or the parts are to have no bytes.
    """
    if not path.is_file():
        raise DataError(f"{path} cannot be split: it is no file; name the file of the weights")
    if part_bytes < 1:
        raise DataError(f"a part must have at least 1 byte, got {part_bytes}; name a larger size")
    folder.mkdir(parents=True, exist_ok=True)
    size_bytes = path.stat().st_size
    num_parts = max(1, -(-size_bytes // part_bytes))
    whole, entries, written = hashlib.sha256(), [], []
    with path.open("rb") as source:
        for number in range(1, num_parts + 1):
            part = folder / f"{path.name}.part-{number}-of-{num_parts}"
            checksum, left = hashlib.sha256(), part_bytes
            with part.open("wb") as target:
                while left > 0 and (block := source.read(min(left, BLOCK_BYTES))):
                    target.write(block)
                    checksum.update(block)
                    whole.update(block)
                    left -= len(block)
            entries.append({"name": part.name, "size_bytes": part.stat().st_size, "sha256": checksum.hexdigest()})
            written.append(part)
    listed = {"name": path.name, "size_bytes": size_bytes, "sha256": whole.hexdigest(), "parts": entries}
    path_of_list = folder / f"{path.name}{LIST_ENDING}"
    path_of_list.write_text(json.dumps(listed, indent=1) + "\n", encoding="utf-8")
    return [*written, path_of_list]


def list_of_parts(folder: Path) -> list[Path]:
    """Return the lists of parts that lie in a folder."""
    return sorted(folder.glob(f"*{LIST_ENDING}"))


def join_parts(path_of_list: Path, folder: Path) -> Path:
    """Return the file that `NAME.parts.json` tells of, made anew in a folder from the parts beside the list.

    Raises:
        DataError: the list cannot be read, a part is missing or cut, or the whole has another checksum.
    """
    try:
        listed = json.loads(path_of_list.read_text(encoding="utf-8"))
        name, parts, sha256 = (
            listed["name"],
            [path_of_list.parent / part["name"] for part in listed["parts"]],
            listed["sha256"],
        )
        sizes = [part["size_bytes"] for part in listed["parts"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path_of_list} is no list of parts: {error!r}; split the file again") from error
    wrong = [
        path.name for path, size in zip(parts, sizes, strict=True) if not path.is_file() or path.stat().st_size != size
    ]
    if wrong:
        raise DataError(f"{path_of_list}: {', '.join(wrong)} must lie beside it in full; bring these files again")
    folder.mkdir(parents=True, exist_ok=True)
    partial, checksum = folder / f".{name}.partial", hashlib.sha256()
    with partial.open("wb") as target:
        for path in parts:
            with path.open("rb") as source:
                while block := source.read(BLOCK_BYTES):
                    target.write(block)
                    checksum.update(block)
    if checksum.hexdigest() != sha256:
        partial.unlink()
        raise DataError(f"{path_of_list}: the parts give SHA-256 {checksum.hexdigest()}, not {sha256}; split again")
    return partial.rename(folder / name)


def main(arguments: list[str] | None = None) -> list[Path]:
    """Split or join, and print what was written."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    split = commands.add_parser("split")
    split.add_argument("file", type=Path)
    split.add_argument("folder", type=Path, help="gets the parts")
    split.add_argument("--mib", type=float, default=60, help="most MiB of a part (default 60)")
    join = commands.add_parser("join")
    join.add_argument("folder", type=Path, help="holds the parts of one or several files")
    join.add_argument("output", type=Path, nargs="?", help="gets the files (default: the same folder)")
    options = parser.parse_args(arguments)
    if options.command == "split":
        written = split_file(options.file, options.folder, int(options.mib * MIB))
    else:
        written = [join_parts(each, options.output or options.folder) for each in list_of_parts(options.folder)]
        if not written:
            raise DataError(f"{options.folder} holds no list of parts (*{LIST_ENDING}); split a file into it first")
    for path in written:
        print(f"{path} {path.stat().st_size / MIB:.1f} MiB")
    return written


if __name__ == "__main__":
    main()
