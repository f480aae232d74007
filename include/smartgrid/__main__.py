"""`python -m smartgrid`: the same as the `smartgrid` command."""

from smartgrid.cli import main

if __name__ == "__main__":
    main()
