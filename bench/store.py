"""What is kept: one record per cell, one artefact per trained method. Every write is atomic; a key says what it is of.

    <out>/records/<key>.json, <key>.npz     a cell's record and its per-example outcomes
    <out>/artefacts/<key>/                  manifest.json, model.safetensors, curves.json, pictures/*.png
    <out>/plan.json                         the cells of the latest `run` on this folder
    <out>/jobs/<artefact>/                  scratch, checkpoints and locks of the jobs around a trained method
    <out>/jobs/<artefact>/runs/<attempt>/   payload, log and progress of one job

Artefacts are looked for in layers: the output folder first, then read-only folders (trained models shipped with the
project).
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal

SCHEMA = 1
SHIPPED = Path(__file__).parents[1] / "results" / "reference" / "artefacts"  # trained models that come with the project
Status = Literal["ok", "failed", "skipped"]


def _umask() -> int:
    mask = os.umask(0)  # there is no way to read it but to set it
    os.umask(mask)
    return mask


UMASK = _umask()


def digest(content: Any) -> str:
    """20 hexadecimal digits of the SHA-256 of `content` as canonical JSON."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), default=list)
    return hashlib.sha256(text.encode()).hexdigest()[:20]


def file_hash(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


@contextmanager
def writing(path: Path, mode: str = "w") -> Iterator[IO[Any]]:
    """Open a temporary file beside `path` that becomes `path` only if the block succeeds: readers never see half a
    file.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    os.fchmod(descriptor, 0o666 & ~UMASK)  # mkstemp's 0600 would keep colleagues from reading the results
    try:
        with os.fdopen(descriptor, mode) as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def write_json(path: Path, content: Any) -> None:
    """Write canonical, human-readable JSON atomically. NaN is refused: it is not JSON and never a result."""
    text = json.dumps(content, indent=1, sort_keys=True, allow_nan=False, default=_plain)
    with writing(path) as stream:
        stream.write(text + "\n")


def _plain(value: Any) -> Any:
    if hasattr(value, "item"):  # NumPy scalars
        return value.item()
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"{type(value).__name__} cannot be written into a record")


def read_json(path: Path) -> Any | None:
    """The file's content, or None where it does not exist or is not whole (a disk that filled up, say)."""
    try:
        return json.loads(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError, json.JSONDecodeError, UnicodeDecodeError):
        return None


@dataclass(frozen=True)
class Store:
    """The output folder of a run, and the read-only layers of artefacts behind it."""

    out: Path
    layers: tuple[Path, ...] = ()

    # -------------------------------------------------------------------------------------------------------- records

    def record_path(self, key: str) -> Path:
        return self.out / "records" / f"{key}.json"

    def record(self, key: str) -> dict[str, Any] | None:
        """The record of a cell, or None where there is none that can be trusted (other schema, other key, half a
        file).
        """
        content = read_json(self.record_path(key))
        if not isinstance(content, dict) or content.get("schema") != SCHEMA or content.get("key") != key:
            return None
        return content

    def records(self) -> list[dict[str, Any]]:
        """Every trustworthy record in the folder, ordered by key."""
        folder = self.out / "records"
        names = sorted(entry.name for entry in os.scandir(folder)) if folder.is_dir() else []
        found = (self.record(name.removesuffix(".json")) for name in names if name.endswith(".json"))
        return [record for record in found if record is not None]

    def write_record(self, record: dict[str, Any], outcomes: dict[str, Any] | None = None) -> None:
        """Write a record; its outcomes go first, so that a record never lacks them."""
        key = record["key"]
        path = self.out / "records" / f"{key}.npz"
        if outcomes:
            import numpy as np

            with writing(path, "wb") as stream:
                np.savez_compressed(stream, **outcomes)
        else:
            path.unlink(missing_ok=True)
        write_json(self.record_path(key), {**record, "schema": SCHEMA})

    def outcomes(self, key: str, names: Collection[str] | None = None) -> dict[str, Any]:
        """Per-example outcomes of a cell (see `bench.api.Evaluation`), all or those named; empty where none are."""
        import numpy as np

        path = self.out / "records" / f"{key}.npz"
        if not path.exists():
            return {}
        with np.load(path, allow_pickle=False) as content:
            return {name: content[name] for name in content.files if names is None or name in names}

    def job_folder(self, artefact: str) -> Path:
        """Where the jobs around this artefact work."""
        return self.out / "jobs" / artefact

    # ------------------------------------------------------------------------------------------------------ artefacts

    def artefact_path(self, key: str) -> Path:
        """Where this run writes the artefact."""
        return self.out / "artefacts" / key

    def find_artefact(self, key: str) -> Path | None:
        """The folder of a complete artefact: the run's own, else the first layer that has it."""
        for folder in (self.artefact_path(key), *(layer / key for layer in self.layers)):
            manifest = read_json(folder / "manifest.json")
            if isinstance(manifest, dict) and manifest.get("key") == key:
                return folder
        return None
