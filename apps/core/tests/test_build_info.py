from prometheus_client import CollectorRegistry

from clickstream_core import __version__
from clickstream_core.build_info import publish_build_info


def test_the_version_of_the_app_is_published() -> None:
    registry = CollectorRegistry()
    publish_build_info("producer", registry)

    labels = {"app": "producer", "version": __version__}
    assert registry.get_sample_value("clickstream_build_info", labels) == 1
