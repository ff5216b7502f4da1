"""What cleanup.sh decides, with a kubectl and a helm that answer as each test says."""

from pathlib import Path

import pytest

from kit.fake_cluster import CHANGING, COLLECTOR, RELEASES, TOPICS, FakeCluster, Finished, healthy_cluster

MARK = "get kafkas.* data-on-eks --ignore-not-found.*managed-by"


@pytest.fixture
def cluster(tmp_path: Path) -> FakeCluster:
    """After setup.sh: three releases, their users and topics, on a Kafka that was there before."""
    there = healthy_cluster(tmp_path / "fake")
    there.answer("helm .*list .*--short", "".join(f"{release}\n" for release in RELEASES))
    there.answer("get kafkausers.* clickstream-", "data-on-eks")
    there.answer("get kafkatopics.* clickstream-", "data-on-eks")
    there.answer("get kafkas.* --all-namespaces", "kafka/data-on-eks\n")
    return there


@pytest.fixture
def own_kafka(cluster: FakeCluster) -> FakeCluster:
    """The same on a Kafka that setup.sh made."""
    cluster.answer(MARK, "setup.sh")
    pools, kafka = "kafkanodepool.kafka.strimzi.io/dual-role", "kafka.kafka.strimzi.io/data-on-eks"
    # There when cleanup.sh looks, gone when it waits for that.
    cluster.answer("get kafkanodepools.*,kafkas.*,configmaps -l .*managed-by=setup.sh", f"{pools}\n{kafka}\n", "")
    return cluster


def changes(finished: Finished) -> list[str]:
    """The calls that change something, without the context and the namespace."""
    calls = [each.call for each in finished.called(CHANGING)]
    return [each.replace("--context=fake --namespace=kafka ", "") for each in calls]


def order(finished: Finished, *patterns: str) -> list[int]:
    """Where the calls are of which there is one for each pattern."""
    places = []
    for pattern in patterns:
        (call,) = finished.called(pattern)
        places.append(finished.calls.index(call))
    return places


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--namespace"], "--namespace needs a value"),
        (["--cluster-name=A"], "--cluster-name=A: expected lower-case letters"),
        (["--timeout", "soon"], "--timeout=soon: expected a duration"),
        (["--delete-everything"], "unknown option --delete-everything"),
        (["all"], "unexpected argument all"),
    ],
)
def test_a_wrong_option_is_refused_in_one_line_before_anything_is_asked(
    cluster: FakeCluster, arguments: list[str], message: str
) -> None:
    finished = cluster.run("cleanup.sh", *arguments)
    assert finished.status == 2
    assert finished.error.startswith("cleanup.sh: ")
    assert message in finished.error
    assert finished.error.count("\n") == 1
    assert finished.calls == ()


def test_help_says_what_is_kept(cluster: FakeCluster) -> None:
    finished = cluster.run("cleanup.sh", "--help")
    assert (finished.status, finished.calls) == (0, ())
    assert "The topics stay, with their data, and so does Kafka." in finished.output
    assert all(option in finished.output for option in ("--delete-topics", "--delete-kafka", "--all", "--dry-run"))


def test_releases_and_users_go_and_topics_stay(cluster: FakeCluster) -> None:
    finished = cluster.run("cleanup.sh")
    assert finished.status == 0, finished.error
    uninstalled = [each.call.split(" uninstall ")[1].split()[0] for each in finished.called("helm .* uninstall ")]
    assert uninstalled == ["clickstream-producer", "clickstream-streams-processor", "clickstream-consumer"]
    assert all("--wait --cascade foreground" in each.call for each in finished.called("helm .* uninstall "))
    (users,) = finished.called("delete kafkausers")
    assert all(release in users.call for release in RELEASES)
    assert len(changes(finished)) == len(RELEASES) + 1
    assert f"Kept with their data: topics {' '.join(TOPICS)}" in finished.output
    assert "./cleanup.sh --delete-topics removes them" in finished.output


def test_the_collector_goes_first_with_its_user_and_the_secret_of_its_visitors(cluster: FakeCluster) -> None:
    cluster.answer("helm .*list .*--short", "".join(f"{release}\n" for release in (*RELEASES, COLLECTOR)))
    rest = f"get deployments.apps,.*secrets.* -l app.kubernetes.io/instance={COLLECTOR},"
    cluster.answer(rest, f"secret/{COLLECTOR}-visitors\n")
    finished = cluster.run("cleanup.sh")
    assert finished.status == 0, finished.error
    first, rest_of_it, second = order(
        finished,
        f"uninstall {COLLECTOR} ",
        f"delete deployments.apps,.*secrets.* -l app.kubernetes.io/instance={COLLECTOR},",
        "uninstall clickstream-producer ",
    )
    assert first < rest_of_it < second
    (users,) = finished.called("delete kafkausers")
    assert COLLECTOR in users.call


def test_topics_go_when_asked_and_after_those_who_use_them(cluster: FakeCluster) -> None:
    finished = cluster.run("cleanup.sh", "--delete-topics")
    assert finished.status == 0, finished.error
    last, topics = order(finished, "uninstall clickstream-consumer", "delete kafkatopics")
    assert last < topics
    (delete,) = finished.called("delete kafkatopics")
    assert all(topic in delete.call for topic in TOPICS)
    assert finished.called("wait --for=delete .*kafkatopics.kafka.strimzi.io/clickstream-events")
    assert finished.called("patch kafkatopics") == []
    assert finished.called("delete kafkas") == []


def test_topics_and_users_of_another_cluster_are_not_touched(cluster: FakeCluster) -> None:
    cluster.answer("get kafka(users|topics).* clickstream-", "other")
    finished = cluster.run("cleanup.sh", "--delete-topics")
    assert finished.status == 0, finished.error
    assert finished.called("delete kafka") == []


def test_a_kafka_that_setup_did_not_make_is_refused_before_anything_is_removed(cluster: FakeCluster) -> None:
    finished = cluster.run("cleanup.sh", "--delete-kafka")
    assert finished.status == 1
    assert "--delete-kafka: setup.sh did not make Kafka data-on-eks in namespace kafka" in finished.error
    assert changes(finished) == []


def test_all_keeps_a_kafka_that_setup_did_not_make(cluster: FakeCluster) -> None:
    finished = cluster.run("cleanup.sh", "--all")
    assert finished.status == 0, finished.error
    assert "Kept: Kafka data-on-eks, which setup.sh did not make" in finished.output
    assert finished.called("delete kafkatopics")
    assert finished.called("delete (kafkas|kafkanodepools|persistentvolumeclaims|namespace)") == []


def test_kafka_goes_after_the_topics_and_its_volumes_after_its_pods(own_kafka: FakeCluster) -> None:
    own_kafka.answer("get persistentvolumeclaims -l .*managed-by", "persistentvolumeclaim/data-0\n", "")
    own_kafka.answer("get pods -l strimzi.io/cluster=data-on-eks", "pod/data-on-eks-dual-role-0\n", "")
    finished = own_kafka.run("cleanup.sh", "--delete-kafka")
    assert finished.status == 0, finished.error
    steps = order(
        finished,
        "delete kafkatopics",
        "label persistentvolumeclaims -l strimzi.io/cluster=data-on-eks .*managed-by=setup.sh",
        "delete kafkanodepools.* -l app.kubernetes.io/managed-by=setup.sh,app.kubernetes.io/instance=data-on-eks",
        "delete kafkas.* -l app.kubernetes.io/managed-by=setup.sh,app.kubernetes.io/instance=data-on-eks",
        "delete persistentvolumeclaims -l .*managed-by=setup.sh",
    )
    assert steps == sorted(steps)
    looks = finished.called("get pods -l strimzi.io/cluster")
    assert len(looks) == 2, "it looked until they were gone"
    assert steps[3] < finished.calls.index(looks[0])
    assert looks[1] in finished.calls[: steps[4]]
    assert finished.called("delete namespace") == []


@pytest.mark.parametrize("option", ["--delete-kafka", "--all"])
def test_a_kafka_that_serves_others_as_well_is_refused(own_kafka: FakeCluster, option: str) -> None:
    ours = f"kafkatopic.kafka.strimzi.io/clickstream-events\nkafkauser.kafka.strimzi.io/{COLLECTOR}\n"
    foreign = f"{ours}kafkatopic.kafka.strimzi.io/orders\n"
    own_kafka.answer("get kafkatopics.*,kafkausers.* -l strimzi.io/cluster=data-on-eks", foreign)
    finished = own_kafka.run("cleanup.sh", option)
    assert finished.status == 1
    assert (
        f"Kafka data-on-eks also serves kafkatopic/orders: remove them first, or leave out {option}" in finished.error
    )
    assert changes(finished) == []


def test_without_their_kafka_topics_lose_their_finalizer(cluster: FakeCluster) -> None:
    cluster.answer("get kafkas.* data-on-eks --ignore-not-found -o name")
    finished = cluster.run("cleanup.sh", "--delete-topics")
    assert finished.status == 0, finished.error
    patched = finished.called(r'patch kafkatopics.* --type=merge -p {"metadata":{"finalizers":\[\]}}')
    assert len(patched) == len(TOPICS)


def test_topics_that_nobody_deletes_are_explained_instead_of_waited_for(cluster: FakeCluster) -> None:
    cluster.answer("wait --for=delete", status=1)
    finished = cluster.run("cleanup.sh", "--delete-topics", "--timeout", "1s")
    assert finished.status == 1
    assert "the topic operator of Kafka data-on-eks does not delete them" in finished.error
    assert f"kubectl patch kafkatopic {' '.join(TOPICS)} -n kafka" in finished.error
    assert "topics are not gone after" in finished.error
    assert finished.called("patch kafkatopics") == []


def test_what_is_missing_already_is_no_error(cluster: FakeCluster) -> None:
    cluster.answer("helm .*list .*--short")
    cluster.answer("get kafkausers.* clickstream-")
    cluster.answer("get kafkatopics.* clickstream-")
    cluster.answer("get kafkas.* data-on-eks --ignore-not-found -o name")
    finished = cluster.run("cleanup.sh", "--delete-topics")
    assert finished.status == 0, finished.error
    assert changes(finished) == []
    assert "Nothing else was there to be removed" in finished.output


def test_without_strimzi_the_releases_still_go(cluster: FakeCluster) -> None:
    cluster.answer("get --raw=/apis/kafka", status=1)
    finished = cluster.run("cleanup.sh", "--all")
    assert finished.status == 0, finished.error
    assert len(finished.called("helm .* uninstall ")) == len(RELEASES)
    assert finished.called("(get|delete) kafka") == []


def test_what_helm_forgot_goes_by_its_labels(cluster: FakeCluster) -> None:
    cluster.answer("helm .*list .*--short")
    cluster.answer(
        "get deployments.apps,.* -l app.kubernetes.io/instance=clickstream-producer,", "deployment.apps/x\n", ""
    )
    finished = cluster.run("cleanup.sh")
    assert finished.status == 0, finished.error
    (delete,) = finished.called("delete deployments.apps,")
    assert "-l app.kubernetes.io/instance=clickstream-producer,app.kubernetes.io/part-of=clickstream" in delete.call
    assert "Removed what was left of clickstream-producer" in finished.output


def test_all_removes_the_namespace_that_setup_made(own_kafka: FakeCluster) -> None:
    own_kafka.answer("get namespace kafka .*managed-by", "setup.sh")
    own_kafka.answer("api-resources", "configmaps\nevents\npods\nleases.coordination.k8s.io\n")
    own_kafka.answer("get configmaps,pods --namespace=kafka", "configmap/kube-root-ca.crt\nserviceaccount/default\n")
    finished = own_kafka.run("cleanup.sh", "--all")
    assert finished.status == 0, finished.error
    assert changes(finished)[-1] == "kubectl --context=fake delete namespace kafka --timeout=600s"


def test_all_keeps_a_namespace_in_which_somebody_else_lives(own_kafka: FakeCluster) -> None:
    own_kafka.answer("get namespace kafka .*managed-by", "setup.sh")
    own_kafka.answer("api-resources", "configmaps\npods\n")
    own_kafka.answer("get configmaps,pods --namespace=kafka", "configmap/kube-root-ca.crt\npod/kafka-cli\n")
    finished = own_kafka.source("LONGEST_FAREWELL=0", "remove_namespace kafka")
    assert finished.status == 0, finished.error
    assert "Kept: namespace kafka, in which there are also pod/kafka-cli" in finished.output
    assert finished.called("delete namespace") == []


def test_what_kubernetes_removes_by_itself_is_waited_for(own_kafka: FakeCluster) -> None:
    own_kafka.answer("get namespace kafka .*managed-by", "setup.sh")
    own_kafka.answer("api-resources", "secrets\n")
    own_kafka.answer("get secrets --namespace=kafka", "secret/clickstream-producer\n", "")
    finished = own_kafka.source("remove_namespace kafka")
    assert finished.status == 0, finished.error
    assert "Removed namespace kafka" in finished.output


def test_all_removes_the_operator_that_setup_installed(own_kafka: FakeCluster) -> None:
    own_kafka.answer("get deployment strimzi-cluster-operator .*managed-by", "setup.sh")
    own_kafka.answer("get customresourcedefinitions -l .*managed-by=setup.sh", "customresourcedefinition/kafkas\n")
    finished = own_kafka.run("cleanup.sh", "--all")
    assert finished.status == 0, finished.error
    steps = order(
        finished,
        "delete kafkas",
        "helm .*uninstall strimzi-cluster-operator",
        "delete customresourcedefinition/kafkas",
    )
    assert steps == sorted(steps)


def test_all_removes_an_operator_whose_installation_failed(own_kafka: FakeCluster) -> None:
    own_kafka.answer("get namespace strimzi .*managed-by", "setup.sh")
    own_kafka.answer("helm .*namespace=strimzi status strimzi-cluster-operator", "STATUS: failed\n")
    finished = own_kafka.run("cleanup.sh", "--all")
    assert finished.status == 0, finished.error
    assert finished.called("helm .*namespace=strimzi uninstall strimzi-cluster-operator")
    assert finished.called("delete namespace strimzi")


def test_all_keeps_an_operator_that_serves_others(own_kafka: FakeCluster) -> None:
    own_kafka.answer("get deployment strimzi-cluster-operator .*managed-by", "setup.sh")
    own_kafka.answer("get kafkas.* --all-namespaces", "kafka/data-on-eks\nteam/events\n")
    finished = own_kafka.run("cleanup.sh", "--all")
    assert finished.status == 0, finished.error
    assert "Kept: Strimzi's operator, which serves team/events" in finished.output
    assert finished.called("uninstall strimzi-cluster-operator|delete customresourcedefinition") == []


BINDINGS = "get clusterrolebindings -l strimzi.io/cluster=data-on-eks"
BINDING = "strimzi-kafka-data-on-eks-kafka-init"


def test_what_the_operator_has_to_remove_is_waited_for_before_it_goes(own_kafka: FakeCluster) -> None:
    own_kafka.answer("get deployment strimzi-cluster-operator .*managed-by", "setup.sh")
    own_kafka.answer(BINDINGS, f"{BINDING}|kafka\n", f"{BINDING}|kafka\n", "")
    finished = own_kafka.run("cleanup.sh", "--all")
    assert finished.status == 0, finished.error
    looks = finished.called(BINDINGS)
    assert len(looks) == 4, "until it was gone, and once at the end"
    (uninstalled,) = finished.called("helm .*uninstall strimzi-cluster-operator")
    assert finished.calls.index(looks[2]) < finished.calls.index(uninstalled)
    assert finished.output.splitlines()[-1].endswith("s  Done")
    assert finished.called("delete clusterrolebinding") == []


def test_what_the_operator_does_not_remove_is_named_with_the_command(own_kafka: FakeCluster) -> None:
    own_kafka.answer("get deployment strimzi-cluster-operator .*managed-by", "setup.sh")
    own_kafka.answer(BINDINGS, f"{BINDING}|kafka\nstrimzi-team-data-on-eks-kafka-init|team\n")
    finished = own_kafka.run("cleanup.sh", "--all", "--timeout", "1s")
    assert finished.status == 0, finished.error
    assert f"Left: clusterrolebinding/{BINDING}, which Strimzi's operator made for Kafka data-on-eks" in finished.output
    assert f"kubectl delete clusterrolebinding/{BINDING}\n" in finished.output
    assert "strimzi-team" not in finished.output, "it belongs to a Kafka of the same name in another namespace"
    assert "Done, but for what is left: see above" in finished.output
    assert finished.called("delete clusterrolebinding") == []


def test_what_an_earlier_cleanup_left_is_named_without_waiting(cluster: FakeCluster) -> None:
    cluster.answer("get --raw=/apis/kafka", status=1)
    cluster.answer(BINDINGS, f"{BINDING}|kafka\n")
    finished = cluster.run("cleanup.sh", "--all")
    assert finished.status == 0, finished.error
    assert len(finished.called(BINDINGS)) == 1
    assert f"kubectl delete clusterrolebinding/{BINDING}\n" in finished.output


@pytest.mark.parametrize(
    ("question", "answer", "command"),
    [
        (
            "get persistentvolumeclaims -l strimzi.io/cluster=data-on-eks -o",
            "persistentvolumeclaim/data-0\n",
            "kubectl delete pvc -n kafka -l strimzi.io/cluster=data-on-eks",
        ),
        (
            "get secrets,configmaps,services,serviceaccounts -l strimzi.io/cluster=data-on-eks -o",
            "secret/data-on-eks-cluster-ca\n",
            "kubectl delete -n kafka secret/data-on-eks-cluster-ca",
        ),
        (
            "get kafkarebalances -l strimzi.io/cluster=data-on-eks",
            "kafkarebalance.kafka.strimzi.io/auto\n",
            """kafkarebalance.kafka.strimzi.io/auto --type=merge -p '{"metadata":{"finalizers":null}}'""",
        ),
    ],
)
def test_whatever_is_left_of_kafka_is_named(own_kafka: FakeCluster, question: str, answer: str, command: str) -> None:
    own_kafka.answer("api-resources --api-group=kafka.strimzi.io", "kafkarebalances\n")
    own_kafka.answer(question, answer)
    finished = own_kafka.source(
        "LONGEST_FAREWELL=0 DELETE_KAFKA=yes KEPT_KAFKA= RACK=", "say_what_is_left", 'echo "left: $LEFT"'
    )
    assert finished.status == 0, finished.error
    assert finished.output.count("Left: ") == 1
    assert f"{command}\n" in finished.output
    assert "left: yes\n" in finished.output


@pytest.mark.parametrize(("rack", "said"), [("topology.kubernetes.io/zone", True), ("", False)])
def test_who_may_not_look_at_bindings_is_told_where_there_may_be_one(
    own_kafka: FakeCluster, rack: str, said: bool
) -> None:
    own_kafka.answer("get kafkas.*spec.kafka.rack", rack)
    own_kafka.answer(BINDINGS, status=1, error="forbidden\n")
    finished = own_kafka.run("cleanup.sh", "--delete-kafka")
    assert finished.status == 0, finished.error
    assert ("at which you may not look: kubectl get clusterrolebinding" in finished.output) == said
    assert "forbidden" not in finished.error


def test_all_keeps_an_operator_that_serves_more_than_kafkas(own_kafka: FakeCluster) -> None:
    own_kafka.answer("get deployment strimzi-cluster-operator .*managed-by", "setup.sh")
    own_kafka.answer("api-resources --api-group=kafka.strimzi.io", "kafkaconnects\nkafkatopics\n")
    others = "KafkaTopic|kafka|clickstream-events|data-on-eks\nKafkaConnect|team|sinks|sinks\n"
    own_kafka.answer("get kafkaconnects,kafkatopics --all-namespaces", others)
    finished = own_kafka.run("cleanup.sh", "--all")
    assert finished.status == 0, finished.error
    assert "Kept: Strimzi's operator, which serves KafkaConnect team/sinks\n" in finished.output
    assert finished.called("uninstall strimzi-cluster-operator|delete customresourcedefinition") == []


def test_definitions_stay_when_nobody_can_say_what_would_go_with_them(own_kafka: FakeCluster) -> None:
    own_kafka.answer("get deployment strimzi-cluster-operator .*managed-by", "setup.sh")
    own_kafka.answer("api-resources --api-group=kafka.strimzi.io", "kafkaconnects\n")
    own_kafka.answer("get kafkaconnects --all-namespaces", status=1, error="forbidden\n")
    finished = own_kafka.run("cleanup.sh", "--all")
    assert finished.status == 1
    assert "the Strimzi resources of other namespaces can't be read" in finished.error
    assert finished.called("uninstall strimzi-cluster-operator|delete customresourcedefinition") == []


def test_an_operator_that_setup_did_not_install_is_not_touched(own_kafka: FakeCluster) -> None:
    finished = own_kafka.run("cleanup.sh", "--all")
    assert finished.status == 0, finished.error
    assert finished.called("uninstall strimzi-cluster-operator|customresourcedefinition") == []


def test_missing_rights_are_named_before_anything_is_removed(cluster: FakeCluster) -> None:
    cluster.answer("auth can-i delete kafkausers", status=1)
    finished = cluster.run("cleanup.sh")
    assert finished.status == 1
    assert "to remove Clickstream you need rights that you do not have" in finished.error
    assert "delete kafkausers.kafka.strimzi.io" in finished.error
    assert changes(finished) == []


@pytest.mark.parametrize("option", ["--delete-topics", "--all"])
def test_a_dry_run_changes_nothing(own_kafka: FakeCluster, option: str) -> None:
    own_kafka.answer("get namespace kafka .*managed-by", "setup.sh")
    finished = own_kafka.run("cleanup.sh", "--dry-run", option)
    assert finished.status == 0, finished.error
    assert changes(finished) == []
    assert "Would remove release clickstream-producer" in finished.output
    assert f"Would remove topics {' '.join(TOPICS)}" in finished.output
    assert ("Would remove Kafka data-on-eks and its volumes" in finished.output) == (option == "--all")
    assert ("Would remove namespace kafka" in finished.output) == (option == "--all")
    assert "Nothing was changed (--dry-run)" in finished.output


def test_commands_that_are_shown_lead_to_the_same_place(cluster: FakeCluster) -> None:
    cluster.answer("get kafkatopics.* clickstream-", "events")
    finished = cluster.run("cleanup.sh", "--namespace", "team", "--cluster-name", "events")
    assert "./cleanup.sh --namespace team --cluster-name events --delete-topics" in finished.output
