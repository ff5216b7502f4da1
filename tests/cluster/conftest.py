"""One installation for all tests of the cluster: made when the first test needs it, removed after the last.

Every test finds and leaves it with one Ready pod of each app, so that each can run alone and in any order.
"""

import secrets
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from kubernetes import client, config
from kubernetes.client.exceptions import ApiException
from kubernetes.config.config_exception import ConfigException
from urllib3.exceptions import HTTPError

from cluster.archiving import ARCHIVE, missing_images
from cluster.cluster_topics import ClusterTopics
from cluster.commands import ROOT
from cluster.connect_operator import connect_operator
from cluster.installation import PROCESSOR, RELEASES, Installation
from cluster.older_strimzi import assert_it_is_installed_and_removed_in_v1beta2
from cluster.removal import (
    remove_and_assert_nothing_is_left,
    remove_apps_and_assert_data_is_kept,
    remove_data_and_assert_none_is_left,
)
from kit.skipping import skip

NO_CLUSTER = "the tests need a cluster, and that of the current kubectl context does not answer"
kube: Any = config


@pytest.fixture(scope="session")
def namespace() -> str:
    """The name of a namespace that setup.sh can make, on a cluster that answers; without one the tests end here."""
    try:
        kube.load_kube_config()
        client.VersionApi().get_code(_request_timeout=10)
    except (ConfigException, ApiException, HTTPError) as error:
        pytest.exit(f"{NO_CLUSTER} ({str(error).splitlines()[0]})", returncode=1)
    asked = client.V1SelfSubjectAccessReview(
        spec=client.V1SelfSubjectAccessReviewSpec(
            resource_attributes=client.V1ResourceAttributes(verb="create", resource="namespaces")
        )
    )
    access: Any = client.AuthorizationV1Api()
    answer = access.create_self_subject_access_review(asked)
    if not answer.status.allowed:
        pytest.exit("this user may not create namespaces, which the tests need: ask for cluster-admin", returncode=1)
    return f"clickstream-test-{secrets.token_hex(3)}"


@pytest.fixture(scope="session")
def afterwards(namespace: str) -> Iterator[ExitStack]:
    """What ends after the installation was removed."""
    with ExitStack() as stack:
        yield stack


@pytest.fixture(scope="session")
def fresh_installation(
    namespace: str, afterwards: ExitStack, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Installation]:
    """As setup.sh left it the first time."""
    fresh = Installation(namespace)
    try:
        try:
            fresh.set_up()
        except AssertionError as error:
            pytest.exit(f"there is nothing to test: {error}", returncode=1)
        yield fresh
        remove_apps_and_assert_data_is_kept(fresh)
        remove_data_and_assert_none_is_left(fresh)
        assert_it_is_installed_and_removed_in_v1beta2(fresh, tmp_path_factory.mktemp("older"))
    finally:
        remove_and_assert_nothing_is_left(fresh)


@pytest.fixture
def installation(fresh_installation: Installation) -> Installation:
    """With one Ready pod of each app, also after a test that failed."""
    if len(fresh_installation.pods(PROCESSOR)) != 1:
        fresh_installation.kubectl("scale", f"deployment/{PROCESSOR}", "--replicas=1")
    for release in RELEASES:
        fresh_installation.wait_until_ready(release)
    return fresh_installation


@pytest.fixture(scope="session")
def installation_with_archive(fresh_installation: Installation, afterwards: ExitStack) -> Installation:
    """The same with the archive, which setup.sh adds; it stays, because cleanup.sh has to remove it as well."""
    if missing := missing_images("connect", "seaweedfs"):
        skip(f"the nodes don't have {' and '.join(missing)} (make images builds them)")
    added = Installation(fresh_installation.namespace)
    afterwards.enter_context(connect_operator(added.namespace, ROOT / ".local" / "strimzi"))
    added.set_up("--archive")
    return added


@pytest.fixture
def archiving(installation: Installation, installation_with_archive: Installation) -> Installation:
    """With one Ready pod of each app and of the archive's server."""
    installation_with_archive.wait_until_ready(ARCHIVE)
    return installation_with_archive


@pytest.fixture(scope="session")
def topics(fresh_installation: Installation) -> Iterator[ClusterTopics]:
    """What is in its topics."""
    recorded = ClusterTopics(fresh_installation)
    try:
        recorded.open()
        yield recorded
    finally:
        recorded.close()
