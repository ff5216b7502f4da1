"""The Kubernetes API by the `kubernetes` client: the kubeconfig's current context, its credentials, and requests."""

import json
import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from clickstream_deploy.errors import ApiError, EndedError
from clickstream_deploy.objects import at
from clickstream_deploy.programs import Programs


@dataclass(frozen=True)
class Api:
    """A connection; `client` is a kubernetes.dynamic.DynamicClient, and helm gets the `context` too ("" in a pod)."""

    context: str
    server: str
    client: Any

    def request(
        self, method: str, path: str, *, body: Any = None, content: str = "application/json", timeout_s: float = 60,
        query: Mapping[str, str] | None = None,
    ) -> Any:  # fmt: skip
        """Return the answer, from JSON where it is JSON. Raises ApiError."""
        from kubernetes.client.exceptions import ApiException
        from kubernetes.config.config_exception import ConfigException
        from urllib3.exceptions import HTTPError

        try:
            answer = self.client.request(
                method, path, query_params=list((query or {}).items()), body=body, content_type=content,
                serialize=False, _request_timeout=timeout_s,
            )  # fmt: skip
        except ApiException as error:
            raise ApiError(error.status, _message(error.body) or str(error.reason)) from error
        except (HTTPError, ConfigException, OSError) as error:
            # Of a connection that was tried several times, the reason of the last.
            reason = str(getattr(error, "reason", None) or error)
            raise ApiError(0, reason.partition("): ")[2] or reason) from error
        text = answer.data.decode("utf-8", "replace")
        return text if path.endswith(("/log", "/metrics")) else json.loads(text)


def connect(programs: Programs) -> Api:
    """Read the kubeconfig. The context is kept: another terminal may switch to another one.

    Raises EndedError when there is no cluster to talk to.
    """
    from kubernetes import client, config, dynamic
    from kubernetes.config.config_exception import ConfigException

    kube: Any = config
    dynamic_client: Any = dynamic.DynamicClient
    logging.getLogger("urllib3").setLevel(logging.ERROR)  # it would report each connection that it tries again
    settings = client.Configuration()
    context = ""
    try:
        context = kube.list_kube_config_contexts()[1]["name"]
        kube.load_kube_config(context=context, client_configuration=settings)
    except (ConfigException, OSError, TypeError) as error:
        if context:
            raise _silent(context, str(error)) from error
        if "KUBERNETES_SERVICE_HOST" not in os.environ:
            raise no_context(programs) from error
        kube.load_incluster_config(client_configuration=settings)
    # Without its discovery of all that the cluster serves: paths are known, or asked for where they are not.
    return Api(context, settings.host, dynamic_client(client.ApiClient(settings), discoverer=lambda *_: None))


def no_context(programs: Programs) -> EndedError:
    """Return the error for a kubeconfig without a current context."""
    names = programs.run("kubectl", "config", "get-contexts", "--output=name").output.split()
    if names:
        which = f"choose one of {' '.join(names)} with kubectl config use-context"
        return EndedError(f"kubectl has no current context: {which}")
    return EndedError(
        "kubectl knows no cluster: set KUBECONFIG, or on EKS run aws eks update-kubeconfig --name CLUSTER"
    )


def check_answers(api: Api) -> str:
    """Return the version of Kubernetes; raises EndedError when the cluster does not answer."""
    try:
        return str(at(api.request("GET", "/version", timeout_s=10), "gitVersion") or "")
    except ApiError as error:
        raise _silent(api.context, str(error)) from error


def _silent(context: str, why: str) -> EndedError:
    reason = (why.strip().splitlines() or ["no reason given"])[-1]
    cluster = f"the cluster{f' of context {context}' if context else ''}"
    remedy = "check VPN and credentials, or choose another with kubectl config use-context"
    return EndedError(f"{cluster} does not answer ({reason}): {remedy}")


def _message(body: Any) -> str:
    try:
        return str(at(json.loads(body), "message") or "")
    except (TypeError, ValueError):
        return str(body or "").strip()
