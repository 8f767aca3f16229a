"""`python -m bench` and the `pdr-bench` command."""

from bench import cli_data, cli_report, cli_sweep, cli_weights  # noqa: F401 - they add their commands to the group
from bench.cli import main

if __name__ == "__main__":
    main(prog_name="python -m bench")
