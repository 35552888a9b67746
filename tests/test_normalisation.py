"""Section 3.3: the fast form against the readable one, and both against torch's own where they must agree."""

import pytest
import torch
from torch.autograd import gradcheck

from study.network.normalisation import (
    SPATIAL,
    ResponseNormalisation,
    ResponseSettings,
    SpatialNormalisation,
    response_normalisation,
    spatial_normalisation,
)

PAPER = ResponseSettings()


@pytest.mark.parametrize("constants", [PAPER, ResponseSettings(k=1, n=9, alpha=1e-3 / 9), ResponseSettings(beta=0.5, n=3)])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_fast_form_equals_the_formula(constants: ResponseSettings, layout: torch.memory_format) -> None:
    a = (torch.randn(2, 12, 5, 4, dtype=torch.float64) * 80).contiguous(memory_format=layout)
    one, other = a.clone().requires_grad_(), a.clone().requires_grad_()
    fast, formula = ResponseNormalisation(constants)(one), response_normalisation(other, constants)
    torch.testing.assert_close(fast, formula, rtol=1e-12, atol=0)
    weights = torch.randn_like(fast)
    (fast * weights).sum().backward()
    (formula * weights).sum().backward()
    torch.testing.assert_close(one.grad, other.grad, rtol=1e-10, atol=1e-12)


def test_gradient_by_differences() -> None:
    a = (torch.randn(1, 6, 2, 2, dtype=torch.float64) * 100).requires_grad_()
    assert gradcheck(ResponseNormalisation(PAPER), (a,))


def test_torch_divides_alpha_by_n() -> None:
    """Assumption A4: torch's alpha is the released code's, five times ours for the same function."""
    a = torch.randn(2, 10, 4, 4, dtype=torch.float64) * 80
    theirs = torch.nn.LocalResponseNorm(5, alpha=5e-4, beta=0.75, k=2.0)
    torch.testing.assert_close(response_normalisation(a, PAPER), theirs(a), rtol=1e-12, atol=0)


def test_columns_are_normalised_apart() -> None:
    a = torch.randn(2, 12, 3, 3, dtype=torch.float64) * 80
    together = ResponseNormalisation(PAPER)(a, 2)
    apart = torch.cat([response_normalisation(half, PAPER) for half in a.chunk(2, dim=1)], dim=1)
    torch.testing.assert_close(together, apart, rtol=1e-12, atol=0)


@pytest.mark.parametrize("shape", [(2, 3, 7, 6), (1, 4, 13, 13), (1, 2, 3, 2)])
def test_the_released_codes_second_normalisation_equals_its_formula(shape: tuple[int, ...]) -> None:
    a = torch.randn(shape, dtype=torch.float64) * 80
    one, other = a.clone().requires_grad_(), a.clone().requires_grad_()
    fast, formula = SpatialNormalisation()(one), spatial_normalisation(other, SPATIAL)
    torch.testing.assert_close(fast, formula, rtol=1e-12, atol=0)
    weights = torch.randn_like(fast)
    (fast * weights).sum().backward()
    (formula * weights).sum().backward()
    torch.testing.assert_close(one.grad, other.grad, rtol=1e-10, atol=1e-12)


def test_its_constant_is_divided_by_the_positions_of_its_window() -> None:
    a = torch.full((1, 1, 9, 9), 10.0, dtype=torch.float64)
    middle = SpatialNormalisation()(a)[0, 0, 4, 4].item()
    assert middle == pytest.approx(10 / (1 + 1e-3 / 25 * 25 * 100) ** 0.75)


@pytest.mark.slow  # the compiler takes ten seconds
@pytest.mark.filterwarnings("ignore")  # torch's compiler warns when it is imported
@pytest.mark.parametrize(("dtype", "close"), [(torch.float32, 1e-5), (torch.bfloat16, 2e-2)])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_the_compiled_form_equals_the_plain_one(dtype: torch.dtype, close: float, layout: torch.memory_format) -> None:
    a = (torch.randn(2, 12, 5, 4) * 80).to(dtype).contiguous(memory_format=layout)
    g = torch.randn_like(a)
    found = []
    for compiled in (False, True):
        x = a.clone().requires_grad_()
        y = ResponseNormalisation(PAPER, compiled)(x, 2)
        y.backward(g)
        found.append((y.detach(), x.grad))
    for plain, kernel in zip(*found, strict=True):
        assert kernel.dtype == dtype
        torch.testing.assert_close(kernel, plain, rtol=close, atol=close)


def test_bfloat16_sums_in_float32() -> None:
    """Rounded once, at the end: as exact as its own eight digits allow."""
    a = (torch.randn(4, 16, 6, 6) * 80).to(torch.bfloat16)
    exact = response_normalisation(a.double(), PAPER)
    assert ((ResponseNormalisation(PAPER)(a).double() - exact).abs() <= exact.abs() * 2**-8).all()


def test_an_even_window_is_refused() -> None:
    with pytest.raises(ValueError, match="odd number"):
        ResponseSettings(n=4)
