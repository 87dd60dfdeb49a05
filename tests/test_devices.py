"""The simulation on other array libraries: the same networks as NumPy's, to rounding."""

from __future__ import annotations

from importlib.util import find_spec

import numpy as np
import pytest

from rmt.evaluation.array_program import to_numpy
from rmt.functions import ScalarFunction
from rmt.problem import Problem, Step
from rmt.status import ConvergenceError, InvalidInputError, RmtError
from validation.simulation import devices
from validation.simulation.devices import Device, find_device, namespace_of
from validation.simulation.observe import observe
from validation.simulation.simulate import simulate
from validation.simulation.triplets import leading_triplets

strict = pytest.importorskip("array_api_strict")

LIBRARIES = ["strict", "torch"]
ACTIVATIONS = [
    "tanh(z + 7/10)", "relu(z)", "gelu(z)", "erf(z)", "erfc(z)", "softplus(z)", "elu(z)", "selu(z)",
    "sin(z)", "abs(z)", "leaky_relu(z)", "log(1 + z**2)", "swish(z)", "exp(-z**2)", "z**3",
    "hard_tanh(z)", "softsign(z)", "sign(z)*sqrt(abs(z))", "mish(z)", "asinh(z)", "max(z, 1/3)",
    "sigmoid(z)", "log(cosh(z))", "1/cosh(z)", "exp(z)/(1 + exp(z))**2",
]  # fmt: skip


def device_of(library: str) -> Device:
    if library == "strict":
        return Device("strict", strict)
    pytest.importorskip("torch", reason="the extra 'gpu' is not installed")
    return find_device("torch")


def problem_with(**changes):
    arguments = {
        "activation": "tanh(z + 7/10)",
        "target": "tanh(z) + z**2/3",
        "width": 200,
        "dim": 180,
        "samples": 1300,
        "steps": [Step(2, 0.3), Step(3, 0.4)],
        "noise_std": 0.3,
    }
    return Problem(**{**arguments, **changes})


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_functions_and_derivatives(library, activation):
    place = device_of(library)
    function = ScalarFunction.parse(activation)
    z = 3 * np.random.default_rng(0).standard_normal((20, 15))
    expected = function.value_and_derivative(z)
    for kind, rtol in (("float64", 1e-13), ("float32", 2e-6)):
        found = function.value_and_derivative(place.asarray(z.astype(kind)), xp=place.xp)
        for array, reference in zip(found, expected, strict=True):
            assert to_numpy(array).dtype == kind
            scale = 1 + np.abs(reference).max()
            np.testing.assert_allclose(to_numpy(array), reference, rtol=rtol, atol=rtol * scale)


@pytest.mark.parametrize("library", LIBRARIES)
def test_results_can_be_written_to(library):
    """A constant derivative is an array as any other, not a view of one number."""
    place = device_of(library)
    z = place.asarray(np.array([0.5, -1.0]))
    value, slope = ScalarFunction.parse("2*z").value_and_derivative(z, xp=place.xp)
    value[0], slope[0] = 7.0, 8.0
    np.testing.assert_array_equal(to_numpy(value), [7.0, -2.0])
    np.testing.assert_array_equal(to_numpy(slope), [8.0, 2.0])
    np.testing.assert_array_equal(to_numpy(z), [0.5, -1.0])


@pytest.mark.parametrize("library", LIBRARIES)
def test_overflow_within_a_function_is_repaired(library):
    place = device_of(library)
    function = ScalarFunction.parse("exp(z**2)*exp(-z**2)*z")
    z = np.array([[1.0, 40.0], [-30.0, 0.5]])
    value, slope = function.value_and_derivative(place.asarray(z), xp=place.xp)
    np.testing.assert_allclose(to_numpy(value), z)
    np.testing.assert_allclose(to_numpy(slope), 1)


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("kind", ["float64", "float32"])
def test_the_logistic_function_far_out(library, kind):
    place = device_of(library)
    function = ScalarFunction.parse("silu(z)")
    z = np.array([-1e30, -1e8, -800, -89, 89, 800, 1e8, 1e30], kind)
    value, slope = function.value_and_derivative(place.asarray(z), xp=place.xp)
    np.testing.assert_allclose(to_numpy(value), np.where(z > 0, z, 0), atol=1e-35)
    np.testing.assert_allclose(to_numpy(slope), z > 0, atol=1e-35)


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("batch", ["independent", "reused"])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_the_same_network_on_every_library(library, batch, dtype):
    place = device_of(library)
    problem = problem_with(batch=batch)
    reference = simulate(problem, 3, 1, dtype)
    sample = simulate(problem, 3, 1, dtype, device=place)
    assert namespace_of(sample.weights[2]) is namespace_of(place.asarray(np.ones(1)))
    scale = np.abs(reference.weights[2]).max()
    tolerance = {"float64": 1e-12, "float32": 1e-5}[dtype] * scale
    for one, other in zip(sample.weights, reference.weights, strict=True):
        np.testing.assert_allclose(to_numpy(one), other, rtol=0, atol=tolerance)
    for one, other in zip(sample.batches, reference.batches, strict=True):
        np.testing.assert_array_equal(to_numpy(one.inputs), other.inputs)
        np.testing.assert_array_equal(to_numpy(one.labels), other.labels)

    seen, expected = (observe(each.weights[2], 3, spectrum=True) for each in (sample, reference))
    rtol = {"float64": 1e-10, "float32": 2e-5}[dtype]
    np.testing.assert_allclose(seen.singular_values, expected.singular_values, rtol=rtol)
    np.testing.assert_allclose(seen.target_overlaps, expected.target_overlaps, atol=10 * rtol)
    np.testing.assert_allclose(seen.spectrum, expected.spectrum, rtol=rtol, atol=10 * rtol)


@pytest.mark.parametrize("library", LIBRARIES)
def test_triplets_of_a_large_matrix(library):
    """Where the bases have to grow, and where the dense decomposition steps in."""
    place = device_of(library)
    matrix = np.random.default_rng(1).standard_normal((420, 400))
    for count in (3, 60):
        found = leading_triplets(place.asarray(matrix), count)
        reference = np.linalg.svd(matrix, compute_uv=False)[:count]
        np.testing.assert_allclose(found.values, reference, rtol=1e-10)
        for basis in (found.left, found.right):
            assert isinstance(basis, np.ndarray)
            np.testing.assert_allclose(basis.T @ basis, np.eye(count), atol=1e-9)
        np.testing.assert_allclose(matrix @ found.right, found.left * found.values, atol=1e-5)


@pytest.mark.parametrize("library", LIBRARIES)
def test_overflow_is_found_on_every_library(library):
    problem = problem_with(activation="z + z**2", steps=[Step(1e200, 0.1), Step(1e200, 0.1)])
    with pytest.raises(ConvergenceError, match="not finite"):
        simulate(problem, device=device_of(library))


@pytest.mark.parametrize("library", LIBRARIES)
def test_bad_matrices_of_other_libraries(library):
    place = device_of(library)
    with pytest.raises(InvalidInputError, match="finite"):
        observe(place.asarray(np.full((3, 3), np.nan)), 1)
    with pytest.raises(InvalidInputError, match="shape"):
        observe(place.asarray(np.ones(3)), 1)
    with pytest.raises(InvalidInputError, match="float64 or float32"):
        observe(place.asarray(np.ones((3, 3), np.complex128)), 1)


def test_a_missing_gpu_is_said_in_one_line():
    torch = pytest.importorskip("torch", reason="the extra 'gpu' is not installed")
    beyond = torch.cuda.device_count()
    with pytest.raises(InvalidInputError, match=rf"'cuda:{beyond}' must be a GPU that torch can"):
        simulate(problem_with(), device=f"cuda:{beyond}")


@pytest.mark.parametrize("name", ["gpu", "cuda:", "cuda:x", "cuda:-1", "", None, 3])
def test_unknown_devices_are_named(name):
    with pytest.raises(InvalidInputError, match="device must be 'cpu'"):
        find_device(name)


def test_missing_libraries_name_the_extra(monkeypatch):
    monkeypatch.setattr(devices, "find_spec", lambda name: None)
    for name in ("cuda", "torch"):
        with pytest.raises(RmtError, match="extra 'gpu'"):
            find_device(name)


@pytest.mark.skipif(
    find_spec("torch") is None or not find_device("torch").xp.cuda.is_available(),
    reason="there is no GPU",
)
def test_the_same_network_on_a_gpu():
    problem = problem_with()
    reference, sample = simulate(problem, 3, 1), simulate(problem, 3, 1, device="cuda")
    np.testing.assert_allclose(to_numpy(sample.weights[2]), reference.weights[2], atol=1e-10)
    seen, expected = (observe(each.weights[2], 3, spectrum=True) for each in (sample, reference))
    np.testing.assert_allclose(seen.singular_values, expected.singular_values, rtol=1e-9)
    np.testing.assert_allclose(seen.spectrum, expected.spectrum, atol=1e-9)
