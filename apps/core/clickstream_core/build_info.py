"""Which version of which app runs, for Prometheus: `clickstream_build_info{app,version}`, always 1.

All packages of this repository have one version, so the metric is defined once, here, and each app passes its name.
"""

from prometheus_client import REGISTRY, CollectorRegistry, Gauge

from clickstream_core import __version__


def publish_build_info(app: str, registry: CollectorRegistry = REGISTRY) -> None:
    """Register the metric with `registry`; `app` is the name of its folder in apps/. Once in a process."""
    info = Gauge(
        "clickstream_build_info", "1; the labels say which version runs.", ["app", "version"], registry=registry
    )
    info.labels(app, __version__).set(1)
