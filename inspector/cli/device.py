"""``inspector device``: the measured ceilings."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from inspector.cli import screen
from inspector.cli.question import guarded

if TYPE_CHECKING:
    from inspector.bench.records import Ceilings


@click.command()
@click.option("--device", default="cpu", show_default=True, metavar="DEVICE", help="cpu or cuda.")
@click.option("--fresh", is_flag=True, help="Measure now, also where figures are kept from before.")
@click.option("--quick", is_flag=True, help="Few sizes and little time, to see that it works; nothing is kept.")
@click.option("--json", "form", flag_value="json", help="Everything as JSON.")
@guarded
def device(device: str, fresh: bool, quick: bool, form: str | None) -> None:
    """Print what a device was measured to do at most: bandwidth, operations per second, launch latency, transfer.

    Figures are kept per device and driver, and measured again with --fresh. The vendor's figure stands beside where it
    is known.
    """
    screen.answer(_printed(_measured(device, fresh, quick), form))


def _measured(device: str, fresh: bool, quick: bool) -> Ceilings:
    from inspector.bench.ceilings import ceilings

    return ceilings(device, fresh=fresh, quick=quick)


def _printed(found: Ceilings, form: str | None) -> str:
    from inspector.report import benchmark, document

    if form == "json":
        return document.to_json(found.to_json())
    return benchmark.render_ceilings(found, width=screen.width(sys.stdout), color=screen.color(sys.stdout))
