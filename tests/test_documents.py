"""What README and docs/ point to exists: links, their headings, and the files that they name."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
_FENCED = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
_PATH = re.compile(r"`((?:apps|local|tests|charts|docs|deploy|monitoring|strimzi|bench|examples)/[\w./*-]+)`")
_MODULE = re.compile(r"`((?:\w+/)*\w+\.py)`")
_FOLDERS = ("apps", "bench", "deploy", "examples", "local", "tests")
_SOURCES = {file.as_posix() for folder in _FOLDERS for file in (ROOT / folder).rglob("*.py")}


def text(document: Path) -> str:
    return _FENCED.sub("", document.read_text(encoding="utf-8"))


def anchors(document: Path) -> set[str]:
    """The anchors that GitHub makes of the headings, and those that stand there as HTML."""
    written = text(document)
    headings = re.findall(r"^#+ (.+)$", written, re.MULTILINE)
    made = {re.sub(r"[^\w\- ]", "", re.sub(r"\[(.+?)\]\(.+?\)", r"\1", each)).lower() for each in headings}
    return {each.replace(" ", "-") for each in made} | set(re.findall(r'<a id="([\w-]+)">', written))


def links() -> Iterator[tuple[Path, str]]:
    for document in DOCUMENTS:
        for target in re.findall(r"\]\(([^)\s]+)\)", text(document)):
            if not re.match(r"https?:|mailto:", target):
                yield document, target


@pytest.mark.parametrize(
    ("document", "target"), [pytest.param(*each, id=f"{each[0].name}-{each[1]}") for each in links()]
)
def test_a_link_leads_somewhere(document: Path, target: str) -> None:
    path, _, anchor = target.partition("#")
    found = (document.parent / path).resolve() if path else document
    assert found.exists()
    if anchor:
        assert anchor in anchors(found)


@pytest.mark.parametrize("document", DOCUMENTS, ids=[each.name for each in DOCUMENTS])
def test_the_files_that_are_named_exist(document: Path) -> None:
    if document.name != "CHANGELOG.md":  # it describes what was
        assert [path for path in _PATH.findall(text(document)) if not any(ROOT.glob(path.rstrip("/")))] == []


@pytest.mark.parametrize("script", ["setup.sh", "cleanup.sh"])
def test_the_options_that_are_given_to_a_script_exist(script: str) -> None:
    """Those of --local are the local pipeline's."""
    told = subprocess.run([ROOT / script, "--help"], capture_output=True, text=True, check=True).stdout
    known = set(re.findall(r"--[a-z-]+", told))
    calls = re.compile(rf"\./{script}((?: --?[\w-]+(?:[ =][\w$./=-]+)?)+)")
    given = {
        (document.name, option)
        for document in DOCUMENTS
        if document.name != "CHANGELOG.md"
        for call in calls.findall(document.read_text(encoding="utf-8"))
        if "--local" not in call
        for option in re.findall(r" (--[a-z-]+)", call)
    }
    assert given
    assert {each for each in given if each[1] not in known} == set()


@pytest.mark.parametrize("document", DOCUMENTS, ids=[each.name for each in DOCUMENTS])
def test_the_modules_that_are_named_exist(document: Path) -> None:
    if document.name != "CHANGELOG.md":
        named = _MODULE.findall(text(document))
        assert [name for name in named if not any(source.endswith(f"/{name}") for source in _SOURCES)] == []


def test_a_packages_paragraph_names_modules_of_that_package() -> None:
    paragraphs = re.findall(r"^\*\*`([\w/]+)`\*\*(.*?)(?=\n\n|\Z)", text(ROOT / "docs/architecture.md"), re.M | re.S)
    named = [(folder, name) for folder, paragraph in paragraphs for name in _MODULE.findall(paragraph)]
    assert named
    assert [each for each in named if not any((ROOT / each[0]).rglob(each[1]))] == []
