"""`tally FILE`: the most frequent words of a file."""

from pathlib import Path

import click

from tally.words import most


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def main(file: Path) -> None:
    """Print the three most frequent words of FILE."""
    for word in most(file.read_text()):
        click.echo(word)


if __name__ == "__main__":
    main()
