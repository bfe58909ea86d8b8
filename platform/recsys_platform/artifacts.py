"""What stages hand over: folders with a manifest, complete or absent.

A folder is written under a temporary name beside its final one and renamed when its manifest,
which lists every file with size and SHA-256, is in place. A reader checks the manifest first.
"""

import dataclasses
import datetime
import hashlib
import importlib.metadata
import json
import os
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from recsys_model.errors import CheckpointError

SCHEMA_VERSION = 1
MANIFEST_NAME = "manifest.json"

ArtifactKind = Literal["dataset", "checkpoint", "evaluation", "bundle", "tune", "ablation", "new_items"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Manifest:
    """What an artifact folder contains and how it came about."""

    kind: ArtifactKind
    """The stage's product that this folder holds."""
    created: str
    """UTC time, ISO 8601."""
    config: dict[str, Any]
    """The full configuration of the run."""
    versions: dict[str, str]
    """Versions of the packages that wrote it."""
    counts: dict[str, Any]
    """What was counted or measured while writing."""
    parents: dict[str, str]
    """Artifact kind -> `digest` of the artifact that this one was made from."""
    files: dict[str, dict[str, Any]]
    """Relative path -> `{"sha256": ..., "size_bytes": ...}`."""
    schema_version: int = SCHEMA_VERSION
    """Layout of the folder."""

    @property
    def digest(self) -> str:
        """One SHA-256 over the names and checksums of all files."""
        lines = [f"{name} {entry['sha256']}\n" for name, entry in sorted(self.files.items())]
        return hashlib.sha256("".join(lines).encode()).hexdigest()


@contextmanager
def write_artifact(
    folder: Path,
    kind: ArtifactKind,
    config: Mapping[str, Any],
    parents: Mapping[str, str] | None = None,
    *,
    overwrite: bool = False,
) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Yield a temporary folder and a `counts` dict; on success both become the artifact at `folder`.

    After an exception nothing is left behind and an older artifact at `folder` is untouched.

    Raises:
        CheckpointError: `folder` exists and `overwrite` is false.
    """
    refuse_to_overwrite(folder, overwrite=overwrite)
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial = folder.with_name(f".{folder.name}.{os.getpid()}-{secrets.token_hex(4)}.partial")
    partial.mkdir()
    counts: dict[str, Any] = {}
    try:
        yield partial, counts
        manifest = Manifest(
            kind=kind,
            created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            config=dict(config),
            versions=package_versions(),
            counts=counts,
            parents=dict(parents or {}),
            files=_checksums(partial),
        )
        text = json.dumps(dataclasses.asdict(manifest), indent=1, sort_keys=True, allow_nan=False)
        (partial / MANIFEST_NAME).write_text(text + "\n", encoding="utf-8")
        _replace(partial, folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def refuse_to_overwrite(folder: Path, *, overwrite: bool) -> None:
    """Raise unless `folder` is free or `overwrite` is asked for.

    Raises:
        CheckpointError: `folder` exists and `overwrite` is false.
    """
    if folder.exists() and not overwrite:
        raise CheckpointError(f"{folder} exists already; pass --overwrite to replace it, or choose another name")


def open_artifact(folder: Path, kind: ArtifactKind) -> Manifest:
    """Check the folder against its manifest and return the manifest.

    Raises:
        CheckpointError: it is missing, of another kind or schema, or a file is missing or was changed. A bundle is also
            refused for a file too many: loading looks for folders, so one that was added would be served.
    """
    manifest = read_manifest(folder, kind)
    _verify_files(folder, manifest)
    if kind == "bundle":
        _refuse_other_files(folder, manifest)
    return manifest


def read_manifest(folder: Path, kind: ArtifactKind) -> Manifest:
    """Return the manifest alone, for workers of a stage that has opened the artifact.

    Raises:
        CheckpointError: it is missing, or of another kind or schema.
    """
    path = folder / MANIFEST_NAME
    if not path.is_file():
        raise CheckpointError(
            f"{folder} holds no {kind} artifact: {MANIFEST_NAME} is missing. Run the {kind} stage first"
        )
    try:
        manifest = Manifest(**json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError) as error:
        raise CheckpointError(f"{path} is not a manifest: {error}") from error
    if manifest.schema_version != SCHEMA_VERSION:
        raise CheckpointError(
            f"{folder} has schema version {manifest.schema_version}, this program reads {SCHEMA_VERSION}; write it anew"
        )
    if manifest.kind != kind:
        raise CheckpointError(f"{folder} is a {manifest.kind} artifact, a {kind} is needed here")
    return manifest


def check_parent(manifest: Manifest, parent: Manifest) -> None:
    """Raise unless `manifest`'s artifact was made from exactly the artifact of `parent`.

    Raises:
        CheckpointError: it was made from another one.
    """
    expected = manifest.parents.get(parent.kind)
    if expected != parent.digest:
        raise CheckpointError(
            f"the {manifest.kind} was made from another {parent.kind} than the one given "
            f"(digest {str(expected)[:12]} expected, {parent.digest[:12]} found); run the stages again in order"
        )


def package_versions() -> dict[str, str]:
    """Versions of the packages whose behaviour shapes an artifact."""
    names = (
        "recsysllm-on-ray",
        "ray",
        "torch",
        "transformers",
        "peft",
        "deepspeed",
        "pyarrow",
        "tokenizers",
        "pygtrie",
    )
    return {name: importlib.metadata.version(name) for name in names}


def sha256_of(path: Path) -> str:
    """Return the hexadecimal SHA-256 of a file, read in pieces."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()


def _checksums(folder: Path) -> dict[str, dict[str, Any]]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {
        path.relative_to(folder).as_posix(): {"sha256": sha256_of(path), "size_bytes": path.stat().st_size}
        for path in files
    }


def _verify_files(folder: Path, manifest: Manifest) -> None:
    for name, entry in manifest.files.items():
        path = folder / name
        if not path.is_file():
            raise CheckpointError(f"{folder} is incomplete: {name} is missing")
        if path.stat().st_size != entry["size_bytes"] or sha256_of(path) != entry["sha256"]:
            raise CheckpointError(f"{path} was changed after it was written: its checksum does not fit the manifest")


def _refuse_other_files(folder: Path, manifest: Manifest) -> None:
    names = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    others = sorted(names - {*manifest.files, MANIFEST_NAME})
    if others:
        raise CheckpointError(
            f"{folder} has {others[0]}, which its manifest does not list; remove it, or write the bundle anew with "
            "`recsys bundle --overwrite`"
        )


def _replace(partial: Path, folder: Path) -> None:
    """Move `partial` to `folder`; an older folder steps aside until the new one is in place."""
    if not folder.exists():
        partial.rename(folder)
        return
    aside = partial.with_suffix(".old")
    folder.rename(aside)
    partial.rename(folder)
    shutil.rmtree(aside)
