"""``python -m inspector``."""

from inspector.cli import main

main(prog_name="inspector")
