"""compose.yaml, service by service: what it names is there, and what it passes is known."""

import re
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import yaml

from clickstream_core import __version__
from clickstream_core.password_hashes import NOBODY
from clickstream_core.settings import read_settings
from clickstream_local.jars import KAFKA_VERSION
from kit.composed import COMPOSE, PROFILES, app_of, defaults, environment, example, mounted, ports, services
from kit.inventory import ROOT, apps, settings_of

SERVICES = sorted(services())
APPS = [name for name in SERVICES if app_of(services()[name])]
SETTINGS = {
    "scenarios-admin": ("clickstream_scenarios.admin_settings", "AdminSettings"),
    "scenario-tables": ("clickstream_scenarios.seed", "SeedSettings"),
    "archive": ("clickstream_archive.serve", "ServeSettings"),
}
"""Services that run another command of an app's image."""
SECRETS = {"AWS_SECRET_ACCESS_KEY", "MARIADB_PASSWORD", "ADMIN_PASSWORD"}
CONTAINER_PORTS = {
    "kafka": {9094},
    "collector": {8080, 8081},
    "seaweedfs": {8333, 8181},
    "connect": {8083},
    "mariadb": {3306},
    "valkey": {6379},
    "fluent-bit": {2020},
    "logstash": {9600},
    "opensearch": {9200},
    "opensearch-dashboards": {5601},
    "prometheus": {9090},
    "grafana": {3000},
}
"""Those of the others are 8080."""
THIRD_PARTY = {
    # Kafka's image makes a property of each KAFKA_ variable; the property is checked below.
    "apache/kafka": r"KAFKA_(HEAP_OPTS|[A-Z_]+)",
    "library/mariadb": "MARIADB_(DATABASE|USER|PASSWORD|RANDOM_ROOT_PASSWORD)",
    "valkey/valkey": "",
    "nginxinc/nginx-unprivileged": "",
    "opensearchproject/opensearch": (
        r"discovery\.type|DISABLE_SECURITY_PLUGIN|DISABLE_INSTALL_DEMO_CONFIG|OPENSEARCH_JAVA_OPTS"
    ),
    "opensearchproject/opensearch-dashboards": "OPENSEARCH_HOSTS|DISABLE_SECURITY_DASHBOARDS_PLUGIN",
    "prom/prometheus": "",
    "grafana/grafana": (
        "GF_(AUTH_ANONYMOUS_(ENABLED|ORG_ROLE)|AUTH_DISABLE_LOGIN_FORM|SECURITY_DISABLE_INITIAL_ADMIN_CREATION"
        "|ANALYTICS_(REPORTING_ENABLED|CHECK_FOR_UPDATES)|DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH)"
    ),
    "kafbat/kafka-ui": r"KAFKA_CLUSTERS_0_(NAME|BOOTSTRAPSERVERS|READONLY|KAFKACONNECT_0_(NAME|ADDRESS))|JAVA_OPTS",
}
"""Variables that the images of others document; docs/compose.md has the versions in which they were looked up."""


def one(name: str) -> dict[str, Any]:
    return services()[name]


def settings_class(name: str) -> type[Any]:
    if name in SETTINGS:
        module, cls = SETTINGS[name]
        found: type[Any] = getattr(import_module(module), cls)
        return found
    return settings_of(app_of(one(name)) or "")


def read_by_scripts(name: str) -> set[str]:
    """The variables that a mounted script of local/compose reads."""
    sources = [Path(source) for source, _ in mounted(one(name)).values()]
    scripts = [ROOT / each for each in sources if each.suffix in (".py", "") and each.parent.name == "compose"]
    pattern = r"""environ(?:\.get\(|\[)["'](\w+)|\$(?:\{)?([A-Z][A-Z0-9_]+)|"([A-Z]+_[A-Z_]+)\""""
    return {next(filter(None, found)) for each in scripts for found in re.findall(pattern, each.read_text("utf-8"))}


def test_without_a_profile_the_pipeline_runs_and_each_profile_adds_to_it() -> None:
    pipeline = {name for name in SERVICES if "profiles" not in one(name)}
    assert pipeline == {"kafka", "topics", "producer", "collector", "streams", "consumer"}
    assert {each for name in SERVICES for each in one(name).get("profiles", [])} == set(PROFILES)


def test_every_app_of_the_repository_has_a_service() -> None:
    assert {app_of(one(name)) for name in APPS} == set(apps())


@pytest.mark.parametrize("name", APPS)
def test_an_app_gets_settings_that_it_knows_with_values_that_it_takes(
    name: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    given = environment(one(name))
    entrypoint = one(name).get("entrypoint", [])
    if Path(entrypoint[-1] if entrypoint else "").name in ("create_topics.py", "tend_connector.py"):
        assert given.keys() == read_by_scripts(name)
        return
    with pytest.raises(SystemExit):
        read_settings(settings_class(name), prog=name, description="", argv=["--help"])
    known = set(re.findall(r"\[([A-Z][A-Z0-9_]+)[;\]]", capsys.readouterr().out))
    # boto3 and DuckDB take S3's key from the environment; no flag may carry it.
    beside = {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"} & given.keys() if "S3_ENDPOINT" in given else set()
    assert given.keys() - known - beside - read_by_scripts(name) == set()
    if "ADMIN_USERS_FILE" in given:  # which serve_admin.py writes
        users = tmp_path / "users"
        users.write_text(f"admin:{NOBODY}\n")
        given["ADMIN_USERS_FILE"] = str(users)
    read_settings(settings_class(name), prog=name, description="", argv=[], environ=given)


@pytest.mark.parametrize("name", [name for name in SERVICES if not one(name)["image"].startswith("localhost/")])
def test_the_images_of_others_get_variables_that_they_document(name: str) -> None:
    image = one(name)["image"].partition("/")[2].partition(":")[0]
    if image == "fluent/fluent-bit":
        return  # its configuration's: below
    unknown = [each for each in environment(one(name)) if re.fullmatch(THIRD_PARTY[image], each) is None]
    assert unknown == []


def test_kafkas_variables_are_properties_that_the_launchers_broker_sets_too() -> None:
    variables = environment(one("kafka")).keys() - {"KAFKA_HEAP_OPTS"}
    properties = {each.removeprefix("KAFKA_").lower().replace("_", ".") for each in variables}
    shared = (ROOT / "local/clickstream_local/server.properties").read_text("utf-8")
    of_the_launcher = (ROOT / "local/clickstream_local/broker.py").read_text("utf-8")
    known = set(re.findall(r"^([a-z.]+)=", shared, re.MULTILINE)) | set(
        re.findall(r'"([a-z]+\.[a-z.]+)":', of_the_launcher)
    )
    # The image formats its data without --standalone, for the voters that are named.
    assert properties - known - {"listeners", "controller.quorum.voters"} == set()


@pytest.mark.parametrize("name", ["fluent-bit", "logstash", "fluentd"])
def test_a_shippers_configuration_finds_its_variables(name: str) -> None:
    text = "\n".join(
        line
        for source, _ in mounted(one(name)).values()
        for file in ([ROOT / source] if (ROOT / source).is_file() else sorted((ROOT / source).glob("fluent-bit.conf")))
        for line in file.read_text("utf-8").splitlines()
        if not line.lstrip().startswith("#")
    )
    needed = set(re.findall(r"\$\{([A-Z][A-Z0-9_]*)\}", text))
    optional = set(re.findall(r"\$\{([A-Z][A-Z0-9_]*):", text)) | set(re.findall(r"ENV\['(\w+)'\]", text))
    given = environment(one(name)).keys()
    assert needed - given == set()
    by_the_image = {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "S3_REGION", "LS_JAVA_OPTS"}
    assert given - needed - optional - by_the_image - read_by_scripts(name) == set()


@pytest.mark.parametrize("name", SERVICES)
def test_ports_are_this_machines_own_and_the_services(name: str) -> None:
    assert {address for address, _, _ in ports(one(name))} <= {"127.0.0.1"}
    inside = {port for _, _, port in ports(one(name))}
    assert inside <= CONTAINER_PORTS.get(name, {8080})
    assert "network_mode" not in one(name)


def test_no_port_of_this_machine_is_given_twice() -> None:
    outside = [port for name in SERVICES for _, port, _ in ports(one(name))]
    assert len(outside) == len(set(outside))


@pytest.mark.parametrize("name", SERVICES)
def test_what_is_mounted_is_there_and_is_not_written_to(name: str) -> None:
    volumes = yaml.safe_load(COMPOSE.read_text("utf-8"))["volumes"]
    for source, how in mounted(one(name)).values():
        if source.startswith("./"):
            assert (ROOT / source).exists(), source
            assert how == "ro,z", f"{source}: z is for machines with SELinux"
        else:
            assert source in volumes


def test_every_volume_is_used() -> None:
    used = {source for name in SERVICES for source, _ in mounted(one(name)).values()}
    assert set(yaml.safe_load(COMPOSE.read_text("utf-8"))["volumes"]) == {each for each in used if each[0] != "."}


@pytest.mark.parametrize("name", SERVICES)
def test_an_image_has_a_version(name: str) -> None:
    registry, _, tag = one(name)["image"].rpartition(":")
    assert re.fullmatch(r"v?\d+\.\d+(\.\d+)?(-alpine)?", tag)
    assert registry.split("/")[0] in ("localhost", "docker.io", "ghcr.io")
    if registry.startswith("localhost/"):
        assert tag == __version__ == defaults()["TAG"]


def test_versions_are_those_of_the_rest_of_the_repository() -> None:
    assert one("kafka")["image"] == f"docker.io/apache/kafka:{KAFKA_VERSION}"
    manifests = "\n".join(path.read_text("utf-8") for path in (ROOT / "shippers/kubernetes").glob("*.yaml"))
    for name in ("nginx", "fluent-bit"):
        assert f"image: {one(name)['image'].removeprefix('docker.io/')}\n" in manifests
    assert one("fluentd")["image"] == re.search(r"image: (localhost/clickstream-fluentd:.*)", manifests)[1]  # type: ignore[index]
    opensearch = one("opensearch")["image"].rpartition(":")[2]
    assert f"OpenSearch {opensearch.rpartition('.')[0]}" in (ROOT / "shippers/opensearch/README.md").read_text("utf-8")
    assert {one(each)["image"].rpartition(":")[2] for each in SERVICES if each.startswith("opensearch")} == {opensearch}
    for name, folder in (("seaweedfs", "dev/seaweedfs/seaweedfs-stateful-set"), ("connect", "connect/kafka-connect")):
        assert f"image: {one(name)['image']}\n" in (ROOT / f"strimzi/archive/{folder}.yaml").read_text("utf-8")


@pytest.mark.parametrize("name", [name for name in SERVICES if "build" in one(name)])
def test_what_is_built_has_a_dockerfile(name: str) -> None:
    build = one(name)["build"]
    assert (ROOT / build["context"] / build.get("dockerfile", "Dockerfile")).exists()
    if "args" in build:
        assert f"localhost/clickstream-{build['args']['APP']}:{__version__}" == one(name)["image"]


@pytest.mark.parametrize("name", SERVICES)
def test_a_dependency_runs_in_each_profile_of_its_dependents(name: str) -> None:
    profiles = set(one(name).get("profiles", []))
    for needed, how in one(name).get("depends_on", {}).items():
        assert "profiles" not in one(needed) or (profiles and profiles <= set(one(needed)["profiles"]))
        if how["condition"] == "service_completed_successfully":
            # podman 4.3 starts nothing that depends on an ended container which depends on a running one.
            assert not one(needed).get("depends_on"), needed
            assert one(needed).get("healthcheck", {}).get("disable", True), needed
        else:
            assert one(needed)["healthcheck"]["test"][0] == "CMD", needed


@pytest.mark.parametrize("name", SERVICES)
def test_what_goes_on_running_has_a_health_check(name: str) -> None:
    ends = {
        needed
        for each in SERVICES
        for needed, how in one(each).get("depends_on", {}).items()
        if how["condition"] == "service_completed_successfully"
    }
    # Fluent Bit's image has no program to ask with, and the connector's keeper has no port.
    if name not in ends | {"fluent-bit", "archive-connector"}:
        assert one(name)["healthcheck"]["test"]


def test_the_pipeline_needs_no_settings_and_no_secret_stands_in_the_file() -> None:
    assert {name: defaults()[name] for name in SECRETS} == dict.fromkeys(SECRETS, "")
    assert set(example(commented=False)) == SECRETS | {"AWS_ACCESS_KEY_ID", "ADMIN_USER"}
    pipeline = [environment(one(name)) for name in SERVICES if "profiles" not in one(name)]
    assert not any(value in example(commented=False).values() for each in pipeline for value in each.values())
    text = COMPOSE.read_text("utf-8")
    assert example(commented=False)["MARIADB_PASSWORD"] not in text


def test_the_example_names_every_variable_with_its_default() -> None:
    commented = example(commented=True)
    assert commented == {name: value for name, value in defaults().items() if name in commented}
    assert commented.keys() | example(commented=False).keys() == defaults().keys()


def test_git_ignores_the_file_with_the_users_passwords() -> None:
    assert ".env" in (ROOT / ".gitignore").read_text("utf-8").splitlines()


def test_the_document_names_each_service_and_each_port() -> None:
    document = (ROOT / "docs/compose.md").read_text("utf-8")
    assert [name for name in SERVICES if f"`{name}`" not in document] == []
    assert [port for name in SERVICES for _, port, _ in ports(one(name)) if str(port) not in document] == []
