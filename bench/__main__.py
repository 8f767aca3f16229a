"""`python -m bench` and the `pdr-bench` command."""

from bench import cli_data  # noqa: F401 - adds its commands to the group
from bench.cli import main

if __name__ == "__main__":
    main(prog_name="python -m bench")
