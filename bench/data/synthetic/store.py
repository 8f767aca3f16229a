"""Rendering a whole data set once into the cache: in fixed chunks on several threads, then memory-mapped.

Every chunk is computed by one thread with torch's own threads off, and chunks are cut at the same rows always, so the
bytes do not depend on how many threads or processes there are. Chunks are written in order as they come: memory stays
low.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict
from io import BufferedWriter
from pathlib import Path
from typing import Any

import numpy as np
import torch

from bench.api import Place, Source
from bench.data import splits
from bench.data.cache import cached_folder
from bench.memory import keep_freed_memory
from bench.render import camera, raster

RenderRows = Callable[[np.ndarray], dict[str, np.ndarray]]
"""Rows (n,) of the data set -> arrays by name, n rows each: "images" and the maps."""

CHUNK_PIXELS = 16 * 64 * 64
PREFIX = {"synfaces": "faces", "syncars": "cars"}  # of the modules that belong to each source
THREADS = 4  # each needs about 200 MB
MANIFEST = "manifest.json"


def source_fingerprint(source: Source, image_size: int) -> str:
    """A short hash of the settings, the image size and the text of the generator: all that decides pixels and splits.

    The generator is the source's own module, those next to it that share its prefix (`PREFIX`), and what both share.
    """
    settings: dict[str, Any] = {**asdict(source), "image_size": image_size}  # type: ignore[call-overload]
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
    for file in generator_files(source):
        digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()[:16]


def generator_files(source: Source) -> list[Path]:
    """The modules whose text decides what `source` renders."""
    here, own = Path(__file__).parent, Path(str(sys.modules[type(source).__module__].__file__))
    shared = [Path(__file__), here / "scene.py", here / "shifts.py"]
    shared += [Path(str(module.__file__)) for module in (camera, raster, splits)]
    return [own, *sorted(here.glob(f"{PREFIX[own.stem]}_*.py")), *shared]


def rendered(
    place: Place, name: str, fingerprint: str, count: int, labels: dict[str, np.ndarray], render_rows: RenderRows
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """(arrays, labels) of `count` rows, memory-mapped from the cache; rendered there first if they are not yet.

    Several processes that want the same set render it once; an interrupted rendering starts over.
    """

    def build(folder: Path) -> None:
        files = {}
        for key, column in labels.items():
            np.save(folder / f"label-{key}.npy", column)
            files[f"label-{key}.npy"] = hashlib.sha256((folder / f"label-{key}.npy").read_bytes()).hexdigest()
        files |= _render_all(folder, count, place, name, render_rows)
        content = hashlib.sha256(json.dumps(files, sort_keys=True).encode()).hexdigest()
        manifest = {"name": name, "fingerprint": fingerprint, "rows": count, "content": content, "files": files}
        (folder / MANIFEST).write_text(json.dumps(manifest, indent=1))

    folder = cached_folder(place.cache / f"{name}-{fingerprint}", build)
    arrays, kept = {}, {}
    for path in sorted(folder.glob("*.npy")):
        if path.stem.startswith("label-"):
            kept[path.stem.removeprefix("label-")] = np.load(path)
        else:
            arrays[path.stem] = np.load(path, mmap_mode="r")
    return arrays, {key: kept[key] for key in labels}


def content_fingerprint(place: Place, name: str, fingerprint: str) -> str:
    """SHA-256 over every byte of a rendered set: equal wherever the same set was rendered."""
    manifest = json.loads((place.cache / f"{name}-{fingerprint}" / MANIFEST).read_text())
    return str(manifest["content"])


def _render_all(folder: Path, count: int, place: Place, name: str, render_rows: RenderRows) -> dict[str, str]:
    """Render rows 0 .. count-1 into `folder`, one .npy per array; returns the files' SHA-256."""
    keep_freed_memory()
    files: dict[str, _Growing] = {}
    done = 0
    try:
        for arrays in _in_order(_chunks(count, place.image_size), render_rows):
            for key, rows in arrays.items():
                if key not in files:
                    files[key] = _Growing(folder / f"{key}.npy", count, rows)
                files[key].append(rows)
            done += len(arrays["images"])
            if place.progress is not None:
                place.progress(done, count, f"rendering {name}")
    finally:
        for file in files.values():
            file.close()
    return {f"{key}.npy": file.digest.hexdigest() for key, file in files.items()}


def _chunks(count: int, image_size: int) -> list[np.ndarray]:
    size = max(CHUNK_PIXELS // image_size**2, 1)
    return [np.arange(start, min(start + size, count)) for start in range(0, count, size)]


def _in_order(chunks: list[np.ndarray], render_rows: RenderRows) -> Iterator[dict[str, np.ndarray]]:
    """The chunks' results, in order, computed a few ahead on one thread per processor, `THREADS` at most."""
    available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    workers = min(available, THREADS)
    before = torch.get_num_threads()
    try:
        with ThreadPoolExecutor(workers, initializer=lambda: torch.set_num_threads(1)) as pool:
            waiting: deque[Future[dict[str, np.ndarray]]] = deque()
            for rows in chunks:
                waiting.append(pool.submit(render_rows, rows))
                if len(waiting) > workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
    finally:
        torch.set_num_threads(before)


class _Growing:
    """A .npy file written from front to back, and hashed on the way."""

    def __init__(self, path: Path, count: int, sample: np.ndarray) -> None:
        self.digest = hashlib.sha256()
        self._file: BufferedWriter = path.open("wb")
        header = {"descr": np.lib.format.dtype_to_descr(sample.dtype), "fortran_order": False}
        np.lib.format.write_array_header_1_0(self._file, {**header, "shape": (count, *sample.shape[1:])})
        self._file.flush()
        self.digest.update(path.read_bytes())

    def append(self, rows: np.ndarray) -> None:
        content = np.ascontiguousarray(rows).tobytes()
        self._file.write(content)
        self.digest.update(content)

    def close(self) -> None:
        self._file.close()
