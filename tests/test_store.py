"""Records and artefacts are whole or absent, and keys tell settings apart."""

import json

import numpy as np
import pytest
import torch

from bench.api import BadInput, Encoder
from bench.artefact import load_module, save_encoder
from bench.store import SCHEMA, Store, digest, write_json, writing


class Small(Encoder):
    def __init__(self, width=3):
        super().__init__()
        self.layer = torch.nn.Linear(2, width)


def test_a_record_survives_the_round_trip(tmp_path):
    store = Store(tmp_path)
    store.write_record({"key": "a" * 20, "status": "ok", "value": np.float64(0.5)}, {"main": np.arange(3)})
    assert store.record("a" * 20) == {"key": "a" * 20, "status": "ok", "value": 0.5, "schema": SCHEMA}
    assert store.outcomes("a" * 20)["main"].tolist() == [0, 1, 2]
    assert [r["key"] for r in store.records()] == ["a" * 20]


def test_half_a_record_a_strange_one_and_a_renamed_one_are_not_believed(tmp_path):
    store = Store(tmp_path)
    store.write_record({"key": "good", "status": "ok"})
    path = store.record_path("good")
    text = path.read_text()
    store.record_path("renamed").write_text(text)
    store.record_path("half").write_text(text[: len(text) // 2])
    store.record_path("old").write_text(json.dumps({"key": "old", "schema": SCHEMA - 1}))
    assert [r["key"] for r in store.records()] == ["good"]


def test_nan_is_never_written(tmp_path):
    with pytest.raises(ValueError, match="JSON compliant"):
        write_json(tmp_path / "x.json", {"value": float("nan")})
    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "x.json"
    write_json(path, {"a": 1})
    with pytest.raises(KeyboardInterrupt), writing(path) as stream:
        stream.write("half")
        raise KeyboardInterrupt
    assert json.loads(path.read_text()) == {"a": 1} and list(tmp_path.iterdir()) == [path]


def test_digests_tell_types_and_values_apart():
    contents = [1, 1.5, "1", True, None, [1], {"a": 1}, {"a": 2}]
    assert len({digest(c) for c in contents}) == len(contents)
    assert digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1})


def test_artefacts_are_found_in_layers_and_checked(tmp_path):
    shipped, own = tmp_path / "shipped", tmp_path / "own"
    encoder = Small()
    save_encoder(shipped / "key", encoder, {"key": "key", "seconds": 1.0}, {}, torch.zeros(1, 3, 4, 4))
    store = Store(own, (shipped,))
    found = store.find_artefact("key")
    assert found == shipped / "key" and store.find_artefact("other") is None
    other = Small()
    load_module(found, other)
    assert torch.equal(other.layer.weight, encoder.layer.weight)
    with pytest.raises(BadInput, match=r"'layer.weight' has shape \(3, 2\), expected \(5, 2\)"):
        load_module(found, Small(5))
    content = bytearray((found / "model.safetensors").read_bytes())
    content[-1] ^= 1
    (found / "model.safetensors").write_bytes(content)
    with pytest.raises(BadInput, match="not the one its manifest describes"):
        load_module(found, Small())


def test_trained_models_are_there_for_colleagues(tmp_path):
    save_encoder(tmp_path / "model", Small(), {}, {}, torch.zeros(1, 3, 16, 16))
    ordinary = tmp_path / "ordinary"
    ordinary.mkdir()
    (ordinary / "file").touch()
    for path, like in ((tmp_path / "model", ordinary), (tmp_path / "model" / "model.safetensors", ordinary / "file")):
        assert path.stat().st_mode == like.stat().st_mode
