"""How the charts' templates are written: names of their own, and nothing that the cluster or chance decides.

Template names are global below a parent chart, where the last definition of a name wins; and what asks the cluster
(`lookup`) or is random comes out differently under `helm template`, Argo CD and Flux than under `helm upgrade`.
"""

import re
from collections import Counter

import pytest

from kit.helm import Charts
from kit.rendered import APPS, RELEASES, SOURCE, chart

FOLDERS = {folder.name: folder for folder in SOURCE.iterdir()} | {
    "clickstream-monitoring": SOURCE.parent / "monitoring"
}
TEMPLATES = {
    name: [file for file in sorted(folder.glob("templates/**/*")) if file.is_file()] for name, folder in FOLDERS.items()
}
_DEFINED = re.compile(r'\b(?:define|block) +"([^"]+)"')
_USED = re.compile(r'\b(?:include|template) +"([^"]+)"')
_UNSTEADY = re.compile(
    r"\b(lookup|now|ago|date|rand\w+|gen\w+|uuidv4|derivePassword|bcrypt|htpasswd|buildCustomCert|getHostByName|Capabilities)\b"
)


def test_every_template_has_its_charts_prefix_and_is_defined_once() -> None:
    defined = [
        (name, template)
        for name, files in TEMPLATES.items()
        for file in files
        for template in _DEFINED.findall(file.read_text())
    ]
    assert [each for each in defined if not each[1].startswith(f"{each[0]}.")] == []
    assert [name for name, times in Counter(template for _, template in defined).items() if times > 1] == []
    assert len(defined) > 20


@pytest.mark.parametrize("name", FOLDERS)
def test_a_chart_uses_its_own_templates_and_those_of_the_library(name: str) -> None:
    used = {template for file in TEMPLATES[name] for template in _USED.findall(file.read_text())}
    assert {template.partition(".")[0] for template in used} <= {name, "clickstream-library"}


@pytest.mark.parametrize("name", FOLDERS)
def test_neither_the_cluster_nor_chance_decides_what_a_chart_makes(name: str) -> None:
    for file in TEMPLATES[name]:
        code = "\n".join(re.findall(r"{{-?(?!-? */\*)(.*?)-?}}", file.read_text(), re.DOTALL))
        assert _UNSTEADY.findall(re.sub(r'"[^"]*"', "", code)) == [], file.name


@pytest.mark.parametrize("app", APPS)
def test_an_upgrade_makes_what_an_installation_and_a_template_make(charts: Charts, app: str) -> None:
    def made(*options: str) -> str:
        done = charts.template(chart(app), *options, release=RELEASES[app])
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert made() == made() == made("--is-upgrade") == made("--dry-run=client")
