"""Run the command line as ``python -m pollux``."""

from pollux.cli import main

if __name__ == "__main__":
    main(prog_name="pollux")
