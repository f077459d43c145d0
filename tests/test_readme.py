"""Every code block of README and CONTRIBUTING runs.

- ``bash``: run by bash in a folder that holds ``models/`` and the files that the pages show; must end with 0. A line
  that installs is one of the two commands of `.ci/run`, word for word, which runs it in a fresh environment; here runs
  what follows the installation.
- ``python``: a block that begins with a comment naming a ``.py`` file is that file; any other runs on its own.
- ``text``: what the block before it prints, exactly, but for versions.
"""

import html
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

import inspector
from inspector.report import table
from models.lenet import LeNet5

ROOT = Path(__file__).parent.parent
PICTURE = ROOT / ".github" / "summary.svg"
INSTALLS = re.compile(r"^pip install -e \S+ && ", re.MULTILINE)
VERSION = re.compile(r"\b(torch|torchinfo) \d[^,)\s]*")
FILE = re.compile(r"# (\w+\.py)\n")
#: What times this machine is tried again where others kept it busy, with ceilings measured anew.
TIMED = re.compile(r"\binspector[ .]bench\b")


class Block(NamedTuple):
    line: int
    language: str
    code: str

    @property
    def file(self) -> str | None:
        """The file that a python block shows."""
        named = FILE.match(self.code)
        return named[1] if named and self.language == "python" else None


def blocks(markdown: str) -> list[Block]:
    found = re.finditer(r"^```(\w*)\n(.*?)^```$", markdown, re.MULTILINE | re.DOTALL)
    return [Block(markdown.count("\n", 0, match.start()) + 1, match[1], match[2]) for match in found]


PAGES = {page: blocks((ROOT / page).read_text()) for page in ("README.md", "CONTRIBUTING.md")}
FILES = {block.file: block.code for page in PAGES.values() for block in page if block.file}
#: Each block that runs, with the text block after it, if there is one.
RUNNING = {
    f"{page}:{block.line}": (block, after.code if after and after.language == "text" else None)
    for page, found in PAGES.items()
    for block, after in zip(found, [*found[1:], None], strict=True)
    if block.language in ("bash", "python") and not block.file
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A user's working folder: the example models, and the files that README shows."""
    (tmp_path / "models").symlink_to(ROOT / "models")
    for name, code in FILES.items():
        (tmp_path / name).write_text(code)
    return tmp_path


@pytest.mark.parametrize("place", RUNNING)
def test_block_runs(place: str, folder: Path, request: pytest.FixtureRequest) -> None:
    block, printed = RUNNING[place]
    code = INSTALLS.sub("", block.code)
    if block.language == "bash":
        if code.strip() == "pytest":
            pytest.skip("this very run")
        command = ["bash", "-euo", "pipefail", "-c", code]
    else:
        command = [sys.executable, "-W", "error", "-c", code]
    here = Path(sys.executable).parent
    # One thread each, for workers share the cores already: two pools that spin for one another take minutes.
    env = {**os.environ, "PATH": f"{here}{os.pathsep}{os.environ['PATH']}", "OMP_NUM_THREADS": "1"}
    for again in range(3 if TIMED.search(code) else 1):
        if again:
            env["XDG_CACHE_HOME"] = str(folder / f"cache {again}")
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, stdin=subprocess.DEVNULL, env=env)
        if done.returncode == 0 and (printed is None or done.stdout.strip() == printed.strip()):
            break
    assert done.returncode == 0, f"{place}:\n{done.stdout}{done.stderr}"
    if printed is not None and request.config.getoption("--update-goldens"):
        page = ROOT / place.partition(":")[0]
        old, new = (f"```{block.language}\n{block.code}```\n```text\n{text}```" for text in (printed, done.stdout))
        page.write_text(page.read_text().replace(old, new))
    elif printed is not None:
        assert VERSION.sub(r"\1", done.stdout.rstrip("\n")) == VERSION.sub(r"\1", printed.rstrip("\n"))


@pytest.mark.parametrize("page", PAGES)
def test_every_block_is_of_a_kind_that_runs(page: str) -> None:
    found = PAGES[page]
    assert {block.language for block in found} <= {"bash", "python", "text"}
    for block, before in zip(found, [None, *found], strict=False):
        if block.language == "text":
            assert before
            assert before.language in ("bash", "python")
            assert not before.file


def test_ci_runs_the_two_commands_word_for_word() -> None:
    commands = [
        line
        for block in PAGES["README.md"]
        if block.language == "bash"
        for line in block.code.splitlines()
        if "pip " in line
    ]
    assert len(commands) == 2
    ci = (ROOT / ".ci" / "run").read_text()
    for command in commands:
        assert INSTALLS.match(command)
        assert f"step '{command}'" in ci


def test_the_reader_finds_blocks_and_their_lines() -> None:
    """Worked by hand: fences on lines 2 and 5, so the blocks begin there."""
    text = "a\n```bash\ntrue\n```\n```python\n# net.py\nx = 1\n```\n"
    assert blocks(text) == [Block(2, "bash", "true\n"), Block(5, "python", "# net.py\nx = 1\n")]
    assert [block.file for block in blocks(text)] == [None, "net.py"]


def test_picture_shows_the_table(request: pytest.FixtureRequest) -> None:
    """The words of the picture are those of the table; how rich draws them is its own affair."""
    prediction = inspector.predict(LeNet5(), (1, 1, 32, 32))
    if request.config.getoption("--update-goldens"):
        PICTURE.write_text(table.svg(prediction))
    drawn = " ".join(html.unescape(text) for text in re.findall(r"<text[^>]*>([^<]*)</text>", PICTURE.read_text()))
    words = table.render(prediction).split()
    assert len(words) > 100
    assert [word for word in words if word not in drawn.split()] == []
    assert f"]({PICTURE.relative_to(ROOT)})" in (ROOT / "README.md").read_text()
