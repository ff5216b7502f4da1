"""Prints what an app's image needs: `requirements.py FOLDER` what comes from the index, `--own` folders of this
repository. A package of ours is followed into its pyproject.toml, with the extras that are asked for.
"""

import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path


def requirements(folder: Path, extras: set[str], own: dict[Path, set[str]]) -> Iterator[str]:
    """Yield the requirements from the index, and note in `own` the folders that were followed."""
    if extras | {""} <= own.get(folder, set()):
        return
    own.setdefault(folder, set()).update(extras | {""})
    project = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    optional = project.get("optional-dependencies", {})
    for requirement in project["dependencies"] + [each for extra in sorted(extras) for each in optional[extra]]:
        ours = re.fullmatch(r"clickstream-(\w+)(?:\[([\w,-]+)\])?", requirement)
        if ours is None:
            yield requirement
        else:
            asked = ours[2].split(",") if ours[2] else []
            yield from requirements(folder.parent / ours[1], set(asked), own)


if __name__ == "__main__":
    *options, app = sys.argv[1:]
    folders: dict[Path, set[str]] = {}
    found = dict.fromkeys(requirements(Path(app), set(), folders))
    print(*(folders if options == ["--own"] else found), sep="\n")
