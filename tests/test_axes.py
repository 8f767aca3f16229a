"""The principal axes that penalised linear models are solved in."""

import pytest
import torch

from tasks.protocols import axes


def test_features_are_uncorrelated_on_their_axes_and_the_latest_axes_are_kept(monkeypatch):
    generator = torch.Generator().manual_seed(0)
    known = []
    whole = axes._decompose
    monkeypatch.setattr(axes, "_decompose", lambda x: known.append(x.shape) or whole(x))
    monkeypatch.setattr(axes, "KEPT", 2)
    monkeypatch.setattr(axes, "_latest", {})
    for shape in ((40, 6), (6, 40), (6, 40), (40, 6), (30, 5), (6, 40), (40, 6)):  # (6, 40) was forgotten in between
        x = torch.randn(shape, generator=generator.manual_seed(shape[0]))
        x -= x.mean(0)
        variances, turn = axes.principal_axes(x)
        turned = x @ turn
        torch.testing.assert_close(turned.T @ turned / len(x), variances.diag(), atol=1e-4, rtol=0)
        torch.testing.assert_close(turned @ turn.T, x, atol=1e-4, rtol=0)
    assert known == [(40, 6), (6, 40), (30, 5), (6, 40), (40, 6)]


@pytest.mark.parametrize("shape", [(40, 6), (6, 40)])
def test_dimensions_that_do_not_vary_change_nothing(shape):
    x = torch.randn(shape, generator=torch.Generator().manual_seed(1))
    x -= x.mean(0)
    variances, turn = axes._decompose(x)
    places = torch.tensor([0, 2, 3]) if shape[1] == 6 else torch.arange(1, 40, 3)
    wide = x.new_zeros(shape[0], shape[1] + len(places))
    kept = torch.ones(wide.shape[1], dtype=torch.bool)
    kept[places] = False
    wide[:, kept] = x
    with_zeros, turn_with_zeros = axes._decompose(wide)
    assert torch.equal(with_zeros, variances)
    assert torch.equal(turn_with_zeros[kept], turn)
    assert not turn_with_zeros[places].any()
    nothing, no_axes = axes._decompose(torch.zeros(shape))
    assert no_axes.shape == (shape[1], len(nothing))
    assert not nothing.any()
