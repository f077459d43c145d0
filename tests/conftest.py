"""What every test shares: the options, the `cuda` marker, one thread for each worker."""

import gc

import pytest
import torch


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-goldens", action="store_true", help="write tests/goldens/ anew from what is predicted now"
    )


def pytest_configure() -> None:
    torch.set_num_threads(1)  # workers share the cores already


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("cuda") and not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")


@pytest.fixture(scope="module", autouse=True)
def _frozen() -> None:
    """Take what is alive out of the collector's sight: half a second for each `gc.collect` before a timing else."""
    gc.collect()
    gc.freeze()
