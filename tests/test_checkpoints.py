"""Weights from outside are read without executing them, and mismatches name a tensor."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
import torch
from torch import nn

from bench.api import BadInput
from methods.checkpoints import load_matching, part, read_checkpoint


class Trap:
    """Creates a file when unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_a_file_that_would_run_code_is_refused_unopened(tmp_path):
    torch.save({"weight": Trap(tmp_path / "sprung")}, tmp_path / "bad.pt")
    with pytest.raises(BadInput, match="more than tensors"):
        read_checkpoint(tmp_path / "bad.pt")
    assert not (tmp_path / "sprung").exists()


def test_nvidia_pickles_are_refused_with_the_way_to_convert_them(tmp_path):
    (tmp_path / "ffhq.pkl").write_bytes(pickle.dumps({}))
    with pytest.raises(BadInput, match=r"convert_weight\.py"):
        read_checkpoint(tmp_path / "ffhq.pkl")


@pytest.mark.parametrize("content", [b"", b"not weights", b"PK\x03\x04broken"])
@pytest.mark.parametrize("name", ["a.pt", "a.safetensors"])
def test_damaged_files_are_one_clear_line(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(BadInput) as caught:
        read_checkpoint(tmp_path / name)
    assert "\n" not in str(caught.value)
    assert name in str(caught.value)


def test_a_bare_tensor_is_not_a_checkpoint(tmp_path):
    torch.save(torch.zeros(3), tmp_path / "tensor.pt")
    with pytest.raises(BadInput, match="not a dictionary"):
        read_checkpoint(tmp_path / "tensor.pt")


def test_mismatches_name_the_first_tensor(tmp_path):
    net = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
    good = {name: tensor + 1 for name, tensor in net.state_dict().items()}
    load_matching(net, {k: v for k, v in good.items() if not k.endswith("num_batches_tracked")}, "x.pt")
    assert torch.equal(net[0].weight, good["0.weight"])
    load_matching(net, {k: v for k, v in good.items() if "bias" not in k}, "x.pt", may_lack=("bias",))
    cases = {
        "has no tensor '0.bias'": {k: v for k, v in good.items() if k != "0.bias"},
        r"'0.weight' is \(3, 4\), wanted \(3, 2\)": good | {"0.weight": torch.zeros(3, 4)},
        "'0.weight' is str": good | {"0.weight": "text"},
        "'2.weight' has no place": good | {"2.weight": torch.zeros(1)},
    }
    for message, state in cases.items():
        with pytest.raises(BadInput, match=f"x.pt: .*{message}"):
            load_matching(net, state, "x.pt")


def test_parts_lose_their_prefix():
    assert list(part({"encoder.a.b": torch.zeros(1), "decoder.a": torch.zeros(1)}, "encoder.")) == ["a.b"]
