"""The command line. Commands import torch when they run, so that ``--help`` answers at once."""

from __future__ import annotations

import click

from inspector.cli.batch_size import batch_size
from inspector.cli.bench import bench
from inspector.cli.compare import compare
from inspector.cli.device import device
from inspector.cli.entry import Entry
from inspector.cli.experiment import experiment
from inspector.cli.formulas import formulas
from inspector.cli.memory import memory
from inspector.cli.summary import summary
from inspector.cli.table import table
from inspector.cli.toeplitz import toeplitz
from inspector.cli.verify import verify

# The character backspace, before a paragraph, keeps click from wrapping it.
_HELP = """Say what a PyTorch model must be, as formulas, and prove it against PyTorch itself.

\b
inspector summary models.lenet:LeNet5 --input 1,1,32,32
inspector verify my_net.py:Net --arg width=64 --input tokens=2,16:int64
inspector memory my_net.py:Net --input 64,3,32,32
inspector compare old.py:Net new.py:Net --input 1,3,64,64
inspector formulas conv2d
inspector table lenet.md --input 1,32,32 --stride 1 --padding 0 --verify
inspector toeplitz --kernel "-1 0 1" --input "1 2 3 4"
inspector experiment outliers --quick
inspector batch-size my_net.py:Net --input 3,32,32 --data data.npz
inspector bench my_net.py:Net --input 8,3,64,64 --device cpu
inspector device

Exit codes: 0 all agree, 1 something differs (or, with --strict, is unknown), 2 the question could not be put,
130 stopped by ctrl-C.
"""


@click.group(cls=Entry, help=_HELP, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="inspector")
def main() -> None:
    """Run the command that the arguments name."""


main.add_command(summary)
main.add_command(bench)
main.add_command(device)
main.add_command(verify)
main.add_command(memory)
main.add_command(compare)
main.add_command(formulas)
main.add_command(toeplitz)
main.add_command(table)
main.add_command(experiment)
main.add_command(batch_size)
