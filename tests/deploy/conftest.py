"""What the tests of the deployment share."""

from pathlib import Path

import pytest

from kit.fake_kubernetes import FakeCluster, healthy_cluster
from kit.helm import Charts, HelmMissing, find_helm
from kit.skipping import skip

ROOT = Path(__file__).parents[2]


@pytest.fixture
def cluster() -> FakeCluster:
    """A cluster in which nothing is missing."""
    return healthy_cluster()


@pytest.fixture(scope="session")
def helm() -> Path:
    """Helm's executable."""
    try:
        return find_helm(ROOT / ".local/bin")
    except HelmMissing as error:
        skip(str(error))


@pytest.fixture(scope="session")
def charts(helm: Path, tmp_path_factory: pytest.TempPathFactory) -> Charts:
    """The charts with their dependencies."""
    return Charts.of(ROOT, helm, tmp_path_factory.mktemp("helm"))
