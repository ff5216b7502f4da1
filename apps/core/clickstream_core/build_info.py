"""Which version of which app runs, for Prometheus: `clickstream_build_info{app,version}`, always 1.

All packages of this repository have one version, so there is one such metric, here, and each app says its name.
"""

from prometheus_client import REGISTRY, CollectorRegistry, Gauge

from clickstream_core import __version__


def publish_build_info(app: str, registry: CollectorRegistry = REGISTRY) -> None:
    """Register the metric with `registry`; `app` is producer, streams or consumer. Once in a process."""
    info = Gauge(
        "clickstream_build_info", "1; the labels say which version runs.", ["app", "version"], registry=registry
    )
    info.labels(app, __version__).set(1)
