"""The objects that a KafkaConnect becomes, as Strimzi makes them: their names, labels, ports, files and worker's
configuration. All are owned by the KafkaConnect, so they go with it."""

from typing import Any

Object = dict[str, Any]

_PASSWORD, _CERTIFICATES = "/opt/kafka/connect-password", "/opt/kafka/connect-certs"
_CONFIG = "/opt/kafka/custom-config"
# A shell copies the file as Strimzi's start does: the sink finds it by the name of the JVM's second word.
_START = (
    f"cp {_CONFIG}/kafka-connect.properties /tmp/strimzi-connect.properties && exec java $KAFKA_HEAP_OPTS $KAFKA_OPTS"
    " -Dlog4j2.configurationFile=/opt/kafka/config/log4j2.properties -cp '/opt/kafka/libs/*'"
    " org.apache.kafka.connect.cli.ConnectDistributed /tmp/strimzi-connect.properties"
)


def service_account(connect: Object) -> Object:
    """The account whose name EKS pod identity is given."""
    return {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": _metadata(connect, "connect")}


def api_service(connect: Object) -> Object:
    """The REST API's Service."""
    port = {"name": "rest-api", "port": 8083, "targetPort": 8083, "protocol": "TCP"}
    spec = {"selector": _selector(connect), "ports": [port]}
    return {"apiVersion": "v1", "kind": "Service", "metadata": _metadata(connect, "connect-api"), "spec": spec}


def headless_service(connect: Object) -> Object:
    """The Service that gives the workers their names."""
    service = api_service(connect)
    service["metadata"] = _metadata(connect, "connect")
    service["spec"] |= {"clusterIP": "None", "publishNotReadyAddresses": True}
    return service


def config_map(connect: Object) -> Object:
    """The worker's properties."""
    data = {"kafka-connect.properties": worker_properties(connect)}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": _metadata(connect, "connect-config"), "data": data}


def worker_properties(connect: Object) -> str:
    """The properties in Strimzi's order, with its config providers for what is secret."""
    spec = connect["spec"]
    providers = ["strimzienv", "strimzidir"]
    config = dict(spec.get("config", {}))
    if "config.providers" in config:
        providers.insert(0, config.pop("config.providers"))
    lines = {
        "bootstrap.servers": spec["bootstrapServers"],
        "config.providers": ",".join(providers),
        "config.providers.strimzienv.class": "org.apache.kafka.common.config.provider.EnvVarConfigProvider",
        "config.providers.strimzidir.class": "org.apache.kafka.common.config.provider.DirectoryConfigProvider",
        "config.providers.strimzidir.param.allowed.paths": "/opt/kafka",
        **config,
        "group.id": spec["groupId"],
        "config.storage.topic": spec["configStorageTopic"],
        "offset.storage.topic": spec["offsetStorageTopic"],
        "status.storage.topic": spec["statusStorageTopic"],
        "listeners": "http://:8083",
        "rest.advertised.host.name": "${strimzienv:ADVERTISED_HOSTNAME}",
        "rest.advertised.port": "8083",
        "plugin.path": "/opt/kafka/plugins",
    }
    for prefix in ("", "producer.", "consumer.", "admin."):
        lines |= {f"{prefix}{key}": value for key, value in _connection(spec).items()}
    return "".join(f"{key}={value}\n" for key, value in lines.items())


def _connection(spec: Object) -> dict[str, str]:
    tls, authentication = "tls" in spec, spec.get("authentication", {})
    certificates = spec.get("tls", {}).get("trustedCertificates", [])
    found = {"security.protocol": "SSL" if tls else "PLAINTEXT"}
    if certificates:
        secret = certificates[0]["secretName"]
        found["ssl.truststore.certificates"] = f"${{strimzidir:{_CERTIFICATES}/{secret}:ca.crt}}"
        found["ssl.truststore.type"] = "PEM"
    if authentication.get("type") == "scram-sha-512":
        password = authentication["passwordSecret"]
        found["security.protocol"] = "SASL_SSL" if tls else "SASL_PLAINTEXT"
        found["sasl.mechanism"] = "SCRAM-SHA-512"
        found["sasl.jaas.config"] = (
            "org.apache.kafka.common.security.scram.ScramLoginModule required"
            " username=${strimzienv:KAFKA_CONNECT_SASL_USERNAME}"
            f" password=${{strimzidir:{_PASSWORD}/{password['secretName']}:{password['password']}}};"
        )
    return found


def deployment(connect: Object) -> Object:
    """The workers. Strimzi makes a StrimziPodSet, whose pods have the same labels."""
    spec = connect["spec"]
    pod, container = _pod(f"{connect['metadata']['name']}-connect", spec)
    pod["containers"] = [container]
    labels = spec.get("template", {}).get("pod", {}).get("metadata", {}).get("labels", {}) | _selector(connect)
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": _metadata(connect, "connect"),
        "spec": {
            "replicas": spec["replicas"],
            "selector": {"matchLabels": _selector(connect)},
            "strategy": {"type": "Recreate"},
            "template": {"metadata": {"labels": labels}, "spec": pod},
        },
    }


def _pod(name: str, spec: Object) -> tuple[Object, Object]:
    """The pod without its container, and that. `name` is the container's and the account's."""
    template = spec.get("template", {})
    pod, container = template.get("pod", {}), template.get("connectContainer", {})
    jvm = spec.get("jvmOptions", {})
    system = " ".join(f"-D{each['name']}={each['value']}" for each in jvm.get("javaSystemProperties", []))
    authentication = spec.get("authentication", {})
    secrets = {
        _CERTIFICATES: spec.get("tls", {}).get("trustedCertificates", [{}])[0].get("secretName"),
        _PASSWORD: authentication.get("passwordSecret", {}).get("secretName"),
    }
    names = {path: secret for path, secret in secrets.items() if secret}
    volumes = [
        {"name": "strimzi-tmp", "emptyDir": {"medium": "Memory", "sizeLimit": pod.get("tmpDirSizeLimit", "5Mi")}},
        {"name": "config", "configMap": {"name": f"{name}-config"}},
        *({"name": secret, "secret": {"secretName": secret}} for secret in names.values()),
        *pod.get("volumes", []),
    ]
    mounts = [
        {"name": "strimzi-tmp", "mountPath": "/tmp"},
        {"name": "config", "mountPath": _CONFIG},
        *({"name": secret, "mountPath": f"{path}/{secret}"} for path, secret in names.items()),
        *container.get("volumeMounts", []),
    ]
    environment = [
        {"name": "ADVERTISED_HOSTNAME", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
        {"name": "KAFKA_CONNECT_SASL_USERNAME", "value": authentication.get("username", "")},
        {"name": "KAFKA_HEAP_OPTS", "value": f"-Xms{jvm.get('-Xms', '256m')} -Xmx{jvm.get('-Xmx', '512m')}"},
        {"name": "KAFKA_OPTS", "value": system},
        *container.get("env", []),
    ]
    made = {
        "name": name,
        "image": spec["image"],
        "imagePullPolicy": "IfNotPresent",
        "command": ["/bin/sh", "-c", _START],
        "env": environment,
        "ports": [{"name": "rest-api", "containerPort": 8083}],
        "readinessProbe": _probe(spec.get("readinessProbe", {})),
        "livenessProbe": _probe(spec.get("livenessProbe", {})),
        "resources": spec.get("resources", {}),
        "securityContext": container.get("securityContext", {}),
        "volumeMounts": mounts,
    }
    security = pod.get("securityContext", {})
    return {"serviceAccountName": name, "volumes": volumes, "securityContext": security}, made


def _probe(settings: Object) -> Object:
    usual = {"initialDelaySeconds": 60, "timeoutSeconds": 5}
    return {"httpGet": {"path": "/", "port": "rest-api"}, **usual, **settings}


def _selector(connect: Object) -> dict[str, str]:
    name = connect["metadata"]["name"]
    return {"strimzi.io/cluster": name, "strimzi.io/kind": "KafkaConnect", "strimzi.io/name": f"{name}-connect"}


def _metadata(connect: Object, suffix: str) -> Object:
    metadata = connect["metadata"]
    owner = {
        "apiVersion": connect["apiVersion"],
        "kind": connect["kind"],
        "name": metadata["name"],
        "uid": metadata["uid"],
        "controller": True,
    }
    return {"name": f"{metadata['name']}-{suffix}", "labels": _selector(connect), "ownerReferences": [owner]}
