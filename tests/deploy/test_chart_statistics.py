"""The chart of the statistics: Spark in one pod, or with executors as pods that its driver makes."""

import kubernetes_validate
import pytest
import yaml

from kit.helm import Charts
from kit.rendered import Object, environment, is_test, of_kind, only, rendered, variant_objects

CHART = "clickstream-statistics"
EXECUTORS = f"{CHART}/ci/04-executors-as-pods-values.yaml"
RIGHTS = {"create", "get", "list", "watch", "patch", "delete", "deletecollection"}


def options(objects: list[Object]) -> dict[str, str]:
    """Spark's options, as the app reads the file."""
    text = only(objects, "ConfigMap")["data"]["options.conf"]
    return dict(line.split(" ", 1) for line in text.splitlines())


def executor(objects: list[Object]) -> Object:
    """The template of the executors' pods."""
    found: Object = yaml.safe_load(only(objects, "ConfigMap")["data"]["executor.yaml"])
    return found


def driver(objects: list[Object]) -> Object:
    found: Object = only(objects, "Deployment")["spec"]["template"]
    return found


def test_without_storage_the_results_are_on_a_volume_that_outlives_the_release(charts: Charts) -> None:
    objects = rendered(charts, "statistics")
    claim = only(objects, "PersistentVolumeClaim")
    assert claim["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}
    assert claim["spec"]["resources"]["requests"]["storage"] == "10Gi"
    (data,) = [each for each in driver(objects)["spec"]["volumes"] if each["name"] == "data"]
    assert data["persistentVolumeClaim"]["claimName"] == CHART
    (container,) = driver(objects)["spec"]["containers"]
    assert environment(container)["RESULTS_TO"] == "/data/results"
    assert {"name": "data", "mountPath": "/data"} in container["volumeMounts"]
    own = rendered(charts, "statistics", "--set", "volume.existingClaim=mine")
    assert of_kind(own, "PersistentVolumeClaim") == []
    (data,) = [each for each in driver(own)["spec"]["volumes"] if each["name"] == "data"]
    assert data["persistentVolumeClaim"]["claimName"] == "mine"


def test_alone_the_driver_may_not_use_the_api(charts: Charts) -> None:
    objects = rendered(charts, "statistics")
    assert driver(objects)["spec"]["automountServiceAccountToken"] is False
    assert not {"Role", "RoleBinding"} & {each["kind"] for each in objects}
    assert options(objects) == {"spark.driver.memory": "1g"}


def test_a_driver_with_executors_may_make_pods_and_nothing_else(charts: Charts) -> None:
    objects = variant_objects(charts, EXECUTORS)
    (rule,) = only(objects, "Role")["rules"]
    assert (rule["apiGroups"], rule["resources"], set(rule["verbs"])) == ([""], ["pods"], RIGHTS)
    binding, account = only(objects, "RoleBinding"), only(objects, "ServiceAccount")["metadata"]["name"]
    assert binding["subjects"] == [{"kind": "ServiceAccount", "name": account, "namespace": "kafka"}]
    assert driver(objects)["spec"]["automountServiceAccountToken"] is True
    assert driver(objects)["spec"]["serviceAccountName"] == account
    (test,) = [each for each in of_kind(objects, "Pod") if is_test(each)]
    assert test["spec"]["automountServiceAccountToken"] is False


def test_executors_are_restricted_pods_of_the_same_image_that_belong_to_the_driver(charts: Charts) -> None:
    objects = variant_objects(charts, EXECUTORS)
    given, template = options(objects), executor(objects)
    (container,) = driver(objects)["spec"]["containers"]
    assert given["spark.kubernetes.executor.container.image"] == container["image"]
    assert given["spark.kubernetes.driver.pod.name"] == "${env:POD_NAME}"
    assert given["spark.driver.host"] == "${env:POD_IP}"
    assert {"POD_NAME", "POD_IP"} <= environment(container).keys()
    assert given["spark.executor.instances"] == "3"
    assert (given["spark.executor.cores"], given["spark.executor.memory"]) == ("2", "2g")
    pod = template["spec"]
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    (only_container,) = pod["containers"]
    assert only_container["command"] == ["/app/bin/spark-executor"]
    assert only_container["securityContext"]["readOnlyRootFilesystem"] is True
    assert only_container["workingDir"] == "/tmp", "Spark copies jars to it"
    assert pod["volumes"] == [{"name": "tmp", "emptyDir": {}}], "no Secret of Kafka's or Redis'"
    only_container["image"] = "as-spark-does"
    kubernetes_validate.validate(template, "1.34", strict=True)


def test_executors_and_driver_reach_one_another_and_nobody_else_reaches_them(charts: Charts) -> None:
    objects = variant_objects(charts, EXECUTORS)
    labels, of_driver = executor(objects)["metadata"]["labels"], driver(objects)["metadata"]["labels"]
    (policy,) = [
        each["spec"]
        for each in of_kind(objects, "NetworkPolicy")
        if each["spec"]["podSelector"]["matchLabels"].items() <= labels.items()
    ]
    peers = [each["podSelector"]["matchLabels"] for each in policy["ingress"][0]["from"]]
    assert [peer.items() <= of_driver.items() for peer in peers] == [True, False]
    assert [peer.items() <= labels.items() for peer in peers] == [False, True]
    own = only(objects, "NetworkPolicy")["spec"]
    ((spark_ports, peer),) = [(rule["ports"], rule["from"]) for rule in own["ingress"] if "from" in rule]
    given = options(objects)
    assert [each["port"] for each in spark_ports] == [
        int(given["spark.driver.port"]),
        int(given["spark.blockManager.port"]),
    ]
    assert peer[0]["podSelector"]["matchLabels"].items() <= labels.items()
    assert {"ports": [{"port": 443}, {"port": 6443}]} in own["egress"], "the Kubernetes API"
    assert not only(objects, "Service")["spec"]["selector"].items() <= labels.items()


@pytest.mark.parametrize(
    ("variant", "egress"),
    [
        ("02-client-certificate", {"ports": [{"port": 6380}, {"port": 443}]}),
        ("04-executors-as-pods", {"ports": [{"port": 6379}, {"port": 8333}]}),
        ("05-hdfs-and-spark-cluster", {"ports": [{"port": 6379}, {"port": 8020}, {"port": 9866}]}),
        ("05-hdfs-and-spark-cluster", {"ports": [{"port": 7077}]}),
    ],
)
def test_the_ports_of_redis_and_storage_are_open(charts: Charts, variant: str, egress: Object) -> None:
    objects = variant_objects(charts, f"{CHART}/ci/{variant}-values.yaml")
    assert egress in only(objects, "NetworkPolicy")["spec"]["egress"]


def test_pod_identity_needs_no_secret_but_its_agent(charts: Charts) -> None:
    objects = variant_objects(charts, f"{CHART}/ci/02-client-certificate-values.yaml")
    given = environment(driver(objects)["spec"]["containers"][0])
    assert not [name for name in given if name.startswith("AWS_")]
    assert given["S3_ENDPOINT"] == "auto"
    agent = {"ports": [{"port": 80}], "to": [{"ipBlock": {"cidr": "169.254.170.23/32"}}]}
    assert agent in only(objects, "NetworkPolicy")["spec"]["egress"]


def test_other_options_of_spark_win_and_replace_the_pod(charts: Charts) -> None:
    own = ("--set", "spark.options.spark\\.driver\\.memory=3g")
    assert options(rendered(charts, "statistics", *own)) == {"spark.driver.memory": "3g"}
    before, after = (driver(rendered(charts, "statistics", *given)) for given in ((), own))
    assert before["metadata"]["annotations"] != after["metadata"]["annotations"]
    named = driver(rendered(charts, "statistics", "--set", "podAnnotations.a=b"))["metadata"]["annotations"]
    assert named == {**before["metadata"]["annotations"], "a": "b"} or named["a"] == "b"
