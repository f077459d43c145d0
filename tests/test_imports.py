"""What loads without torch: asked of fresh interpreters, since this one has torch already."""

import subprocess
import sys
from pathlib import Path

import pytest

import inspector

ROOT = Path(inspector.__file__).parent.parent

#: The rooms that know sizes and texts alone. `inspector` itself hands out its names when they are asked for.
WITHOUT_TORCH = [
    "inspector",
    "inspector.comparison",
    "inspector.errors",
    "inspector.experiments",
    "inspector.experiments.judge",
    "inspector.experiments.registry",
    "inspector.formula",
    "inspector.geometry",
    "inspector.layers",
    "inspector.records",
    "inspector.tables",
]


def loaded_after(statement: str) -> set[str]:
    """Top-level names of the modules that a fresh interpreter has loaded after ``statement``."""
    script = f"{statement}\nimport sys\nprint(*{{name.partition('.')[0] for name in sys.modules}})"
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    return set(done.stdout.split())


@pytest.mark.parametrize("module", WITHOUT_TORCH)
def test_loads_without_torch(module: str) -> None:
    loaded = loaded_after(f"import {module}")
    assert "inspector" in loaded
    assert not loaded & {"torch", "numpy", "sympy", "models"}


def test_a_number_needs_no_sympy() -> None:
    """Binding and working a formula on integers loads neither torch nor sympy, which costs half a second."""
    loaded = loaded_after("from inspector.formula import Formula\nFormula('C*K', counts='params')(C=2, K=3).worked")
    assert not loaded & {"torch", "sympy"}


def test_predict_does_load_torch() -> None:
    """The probe sees torch where it is: the tests above could fail."""
    assert "torch" in loaded_after("import inspector\ninspector.predict")


@pytest.mark.parametrize("first", ["inspector.predict", "inspector.verify", "inspector.bench.run"])
def test_functions_are_not_hidden_by_submodules_of_their_names(first: str) -> None:
    """`import inspector.predict` would set the submodule as the package's attribute, where people call the function."""
    functions = "inspector.predict, inspector.verify, inspector.bench"
    script = f"import {first}, inspector; assert all(map(callable, ({functions})))"
    subprocess.run([sys.executable, "-c", script], check=True, cwd=ROOT)


def test_every_public_name_is_there() -> None:
    assert inspector.__all__
    for name in inspector.__all__:
        assert getattr(inspector, name) is not None
    assert set(inspector.__all__) <= set(dir(inspector))


def test_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no_such_name"):
        inspector.no_such_name  # noqa: B018  the access is what is tested
