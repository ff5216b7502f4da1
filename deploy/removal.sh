# shellcheck shell=bash disable=SC2034,SC2153 # the files of deploy/ share their variables
# The steps of cleanup.sh, in the order that Strimzi's finalizers need. Sourced, not run.
#
# A KafkaTopic goes only when the topic operator, a part of the Kafka cluster, has deleted the topic: so topics before
# Kafka, and Kafka before Strimzi's operator. With a topic Kafka itself forgets what groups have committed for it.

# What belonged to something that was removed is removed by Kubernetes, a little later.
LONGEST_FAREWELL=30
# Strimzi's operator looks at everything anew every two minutes, and removes then what it has missed.
LONGEST_RECONCILIATION=150

# The last one that was installed goes first.
REMOVAL_ORDER=()
for name in "${ALL_RELEASES[@]}"; do
    REMOVAL_ORDER=("$name" ${REMOVAL_ORDER[@]+"${REMOVAL_ORDER[@]}"})
done

# removed TEXT: says what was, or what would be
removed() {
    if [ -n "$DRY_RUN" ]; then
        say "Would remove $*"
    else
        say "Removed $*"
    fi
    REMOVED=yes
}

# listed RESOURCE SELECTOR: resource/name of what is there, one per line; nothing where the kind is not known
listed() {
    kube get "$1" -l "$2" -o name 2>/dev/null || true
}

# remove_releases: and wait until their pods are gone; those that send first, so that the others finish what they sent
remove_releases() {
    local release installed
    installed=$(helm_in "$NAMESPACE" list --deployed --failed --pending --superseded --uninstalling --uninstalled --short)
    # The alerts first, which would fire about the rest.
    for release in clickstream-monitoring "${REMOVAL_ORDER[@]}"; do
        case $'\n'$installed$'\n' in
            *$'\n'"$release"$'\n'*)
                [ -n "$DRY_RUN" ] ||
                    helm_in "$NAMESPACE" uninstall "$release" --wait --cascade foreground --timeout "${TIMEOUT}s" >/dev/null ||
                    fail "$release could not be removed (see above): run cleanup.sh again"
                removed "release $release"
                ;;
        esac
        remove_rest_of "$release"
    done
}

# remove_rest_of RELEASE: what helm does not know any more, and what it leaves behind: the pods of helm test, and the
# secret of the collector's visitors
remove_rest_of() {
    local left selector=app.kubernetes.io/instance=$1,app.kubernetes.io/part-of=clickstream
    local kinds=deployments.apps,jobs.batch,pods,services,serviceaccounts,secrets,poddisruptionbudgets.policy
    kinds=$kinds,networkpolicies.networking.k8s.io,ingresses.networking.k8s.io,horizontalpodautoscalers.autoscaling
    [ -z "$DRY_RUN" ] || return 0
    left=$(listed "$kinds" "$selector")
    [ -n "$left" ] || return 0
    kube delete "$kinds" -l "$selector" --ignore-not-found --wait --timeout="${TIMEOUT}s" >/dev/null ||
        fail "not all of $1 could be removed (see above): run cleanup.sh again"
    removed "what was left of $1"
}

# remove_users: they have the names of the releases. Strimzi removes their Secrets, passwords and ACLs
remove_users() {
    local user found=()
    [ -n "$STRIMZI" ] || return 0
    for user in "${REMOVAL_ORDER[@]}"; do
        [ "$(cluster_of "$USERS" "$user")" = "$CLUSTER_NAME" ] || continue
        found+=("$user")
    done
    [ "${#found[@]}" -gt 0 ] || return 0
    [ -n "$DRY_RUN" ] || kube delete "$USERS" "${found[@]}" --ignore-not-found --timeout="${TIMEOUT}s" >/dev/null
    removed "users ${found[*]}"
}

# cluster_of RESOURCE NAME: the Kafka cluster that a topic or user belongs to; nothing when it is not there
cluster_of() {
    kube get "$1" "$2" --ignore-not-found -o 'jsonpath={.metadata.labels.strimzi\.io/cluster}'
}

# find_topics: sets FOUND_TOPICS to those of ours that are there
find_topics() {
    local topic
    FOUND_TOPICS=()
    [ -n "$STRIMZI" ] || return 0
    for topic in "${ALL_TOPICS[@]}"; do
        [ "$(cluster_of "$TOPICS" "$topic")" != "$CLUSTER_NAME" ] || FOUND_TOPICS+=("$topic")
    done
}

# keep_topics: says so, and how to remove them
keep_topics() {
    [ "${#FOUND_TOPICS[@]}" -gt 0 ] || return 0
    say "Kept with their data: topics ${FOUND_TOPICS[*]}"
    detail "./cleanup.sh$(same_place) --delete-topics removes them, with what the groups have committed"
}

# remove_topics: while their operator still runs
remove_topics() {
    local topic names="${FOUND_TOPICS[*]-}"
    [ "${#FOUND_TOPICS[@]}" -gt 0 ] || return 0
    if [ -z "$DRY_RUN" ]; then
        kube delete "$TOPICS" "${FOUND_TOPICS[@]}" --ignore-not-found --wait=false >/dev/null
        if [ "$KAFKA" = missing ]; then
            # Their Kafka is gone, and with it the topics and the operator that would take the finalizer away.
            for topic in "${FOUND_TOPICS[@]}"; do
                drop_finalizers "$topic"
            done
        fi
        wait_until_topics_are_gone
    fi
    removed "topics $names, and what the groups had committed"
}

# drop_finalizers TOPIC: unless it is gone already
drop_finalizers() {
    kube patch "$TOPICS" "$1" --type=merge -p '{"metadata":{"finalizers":[]}}' >/dev/null 2>&1 ||
        [ -z "$(cluster_of "$TOPICS" "$1")" ] || fail "the finalizer of KafkaTopic $1 could not be removed"
}

# wait_until_topics_are_gone: an operator that runs needs seconds
wait_until_topics_are_gone() {
    local began=$SECONDS limit=$LONGEST_SILENCE
    [ "$limit" -lt "$TIMEOUT" ] || limit=$TIMEOUT
    until kube wait --for=delete --timeout=5s "${FOUND_TOPICS[@]/#/$TOPICS/}" >/dev/null 2>&1; do
        find_topics
        [ "${#FOUND_TOPICS[@]}" -gt 0 ] || return 0
        [ $((SECONDS - began)) -lt "$limit" ] || explain_stuck_topics
        sleep 1
    done
}

# explain_stuck_topics: ends
explain_stuck_topics() {
    {
        echo
        echo "The topics ${FOUND_TOPICS[*]} are marked for deletion, but the topic operator of Kafka $CLUSTER_NAME does not delete them."
        explain_conditions "$TOPICS" "${FOUND_TOPICS[0]}"
        explain_entity_operator
        echo "  Once it runs again they go by themselves; then run cleanup.sh again."
        echo "  To give up on it, and leave the data in Kafka where it is:"
        echo "  kubectl patch kafkatopic ${FOUND_TOPICS[*]} -n $NAMESPACE --type=merge -p '{\"metadata\":{\"finalizers\":[]}}'"
        echo
    } >&2
    fail "topics are not gone after $SECONDS""s: see above"
}

# check_kafka_removal: ends when Kafka must not be removed; sets REMOVE_KAFKA when it is going to be
check_kafka_removal() {
    local others
    REMOVE_KAFKA=
    [ -n "$DELETE_KAFKA" ] || return 0
    if [ "$KAFKA" = found ] && ! made_by_setup "$KAFKAS" "$CLUSTER_NAME"; then
        [ -n "$ALL" ] || fail "--delete-kafka: setup.sh did not make Kafka $CLUSTER_NAME in namespace $NAMESPACE, so" \
            "cleanup.sh does not remove it (kubectl delete kafkanodepool,kafka ... does)"
        KEPT_KAFKA=yes
        return 0
    fi
    others=$(foreign_resources)
    [ -z "$others" ] ||
        fail "Kafka $CLUSTER_NAME also serves $others: remove them first, or leave out" \
            "$([ -n "$ALL" ] && echo --all || echo --delete-kafka)"
    REMOVE_KAFKA=yes
}

# foreign_resources: the cluster's topics and users that are not Clickstream's
foreign_resources() {
    local each others=
    [ -n "$STRIMZI" ] || return 0
    while IFS= read -r each; do
        case " ${ALL_TOPICS[*]} ${ALL_RELEASES[*]} " in
            *" ${each#*/} "*) ;;
            *) others="$others, ${each/.$STRIMZI_API/}" ;;
        esac
    done < <(listed "$TOPICS,$USERS" "strimzi.io/cluster=$CLUSTER_NAME")
    echo "${others#, }"
}

# keep_kafka: says so, and how to remove it
keep_kafka() {
    if [ "$KAFKA" = found ] && made_by_setup "$KAFKAS" "$CLUSTER_NAME"; then
        say "Kept: Kafka $CLUSTER_NAME"
        detail "./cleanup.sh$(same_place) --delete-kafka removes it, with all its data"
    fi
}

# remove_kafka: with its volumes, without which a new one of the same name could start, and with which it could not
remove_kafka() {
    local ours=$MADE_BY,app.kubernetes.io/instance=$CLUSTER_NAME of_cluster=strimzi.io/cluster=$CLUSTER_NAME there
    if [ -n "$KEPT_KAFKA" ]; then
        say "Kept: Kafka $CLUSTER_NAME, which setup.sh did not make"
        return 0
    fi
    [ -n "$REMOVE_KAFKA" ] && [ -n "$STRIMZI" ] || return 0
    there=$(listed "$POOLS,$KAFKAS,configmaps" "$ours")
    if [ -n "$DRY_RUN" ]; then
        [ -z "$there" ] || removed "Kafka $CLUSTER_NAME and its volumes"
        return 0
    fi
    if [ -n "$there" ]; then
        # Marked first: should this be interrupted, the next cleanup.sh still knows whose volumes they are.
        kube label persistentvolumeclaims -l "$of_cluster" --overwrite "$MADE_BY" >/dev/null
        kube delete "$POOLS" -l "$ours" --wait=false >/dev/null
        kube delete "$KAFKAS" -l "$ours" --wait=false >/dev/null
        kube delete configmaps -l "$ours" --wait=false >/dev/null
    fi
    wait_until_gone pods "$of_cluster"
    wait_until_gone "$POOLS,$KAFKAS" "$ours"
    there=$there$(listed persistentvolumeclaims "$of_cluster,$MADE_BY")
    kube delete persistentvolumeclaims -l "$of_cluster,$MADE_BY" --wait=false >/dev/null
    wait_until_gone persistentvolumeclaims "$of_cluster,$MADE_BY"
    wait_until_gone services,secrets,configmaps "$of_cluster,app.kubernetes.io/managed-by=strimzi-cluster-operator"
    [ -z "$there$(running_operators 2>/dev/null || true)" ] || wait_for_operator
    [ -z "$there" ] || removed "Kafka $CLUSTER_NAME and its volumes"
}

# wait_until_gone RESOURCES SELECTOR
wait_until_gone() {
    local began=$SECONDS said=$SECONDS left
    while left=$(listed "$1" "$2") && [ -n "$left" ]; do
        [ $((SECONDS - began)) -lt "$TIMEOUT" ] ||
            fail "${left//$'\n'/, } in namespace $NAMESPACE: not gone after ${TIMEOUT}s; kubectl describe shows what holds" \
                "it, then run cleanup.sh again"
        if [ $((SECONDS - said)) -ge 15 ]; then
            say "Waiting until these are gone: ${left//$'\n'/, }"
            said=$SECONDS
        fi
        sleep 1
    done
}

# wait_for_operator: what is not in the namespace does not go with Kafka; its operator removes it a little later, as long
# as there is one
wait_for_operator() {
    local began=$SECONDS said=$SECONDS limit=$LONGEST_RECONCILIATION left
    [ "$limit" -lt "$TIMEOUT" ] || limit=$TIMEOUT
    while left=$(cluster_role_bindings) && [ -n "$left" ] && [ $((SECONDS - began)) -lt "$limit" ]; do
        if [ $((SECONDS - said)) -ge 15 ]; then
            say "Waiting until Strimzi's operator has removed ${left//$'\n'/, }"
            said=$SECONDS
        fi
        sleep 1
    done
}

# cluster_role_bindings: those that Strimzi's operator made for this Kafka, one per line; another Kafka of the same name,
# in another namespace, has its own. Fails when this user may not look at them.
cluster_role_bindings() {
    local name namespaces found
    found=$(kube_cluster get clusterrolebindings -l "strimzi.io/cluster=$CLUSTER_NAME" \
        -o 'jsonpath={range .items[*]}{.metadata.name}|{.subjects[*].namespace}{"\n"}{end}' 2>/dev/null) || return 1
    while IFS='|' read -r name namespaces; do
        [ "$namespaces" != "$NAMESPACE" ] || echo "clusterrolebinding/$name"
    done <<<"$found"
}

# say_what_is_left: of the Kafka that was to be removed, or of an earlier one; with the commands that remove it
say_what_is_left() {
    local of_cluster=strimzi.io/cluster=$CLUSTER_NAME bindings left kept
    LEFT=
    [ -n "$DELETE_KAFKA" ] && [ -z "$KEPT_KAFKA$DRY_RUN" ] || return 0
    if ! bindings=$(cluster_role_bindings); then
        bindings=
        [ -z "$RACK" ] || say_left "perhaps a ClusterRoleBinding of Kafka $CLUSTER_NAME, at which you may not look:" \
            "kubectl get clusterrolebinding -l $of_cluster"
    fi
    [ -z "$bindings" ] || say_left "${bindings//$'\n'/, }, which Strimzi's operator made for Kafka $CLUSTER_NAME and has not" \
        "removed: kubectl delete ${bindings//$'\n'/ }"
    left=$(listed persistentvolumeclaims "$of_cluster")
    [ -z "$left" ] || say_left "volumes of a Kafka $CLUSTER_NAME, with its data: kubectl delete pvc -n $NAMESPACE -l $of_cluster"
    left=$(lasting listed "secrets,configmaps,services,serviceaccounts" "$of_cluster")
    [ -z "$left" ] || say_left "${left//$'\n'/, }: kubectl delete -n $NAMESPACE ${left//$'\n'/ }"
    kept=$(lasting strimzi_resources "$of_cluster")
    [ -z "$kept" ] || say_left "${kept//$'\n'/, }, which may wait for an operator to take a finalizer away:" \
        "kubectl patch -n $NAMESPACE ${kept//$'\n'/ } --type=merge -p '{\"metadata\":{\"finalizers\":null}}'"
}

# say_left TEXT: and that it is not all done
say_left() {
    say "Left: $*"
    LEFT=yes
}

# strimzi_resources SELECTOR: of Strimzi's kinds in the namespace, one per line; nothing without its definitions
strimzi_resources() {
    local kinds
    kinds=$(strimzi_kinds) || return 0
    [ -z "$kinds" ] || kube get "$kinds" -l "$1" --ignore-not-found -o name 2>/dev/null || true
}

# strimzi_kinds: those that the cluster knows, separated by commas
strimzi_kinds() {
    kube_cluster api-resources --api-group="$STRIMZI_API" --namespaced --verbs=list -o name 2>/dev/null | tr '\n' ',' | sed 's/,$//'
}

# remove_operator: with --all, when setup.sh installed it and no Kafka is left that needs it
remove_operator() {
    local others definitions
    operator_is_ours || {
        remove_namespace "$OPERATOR_NAMESPACE"
        return 0
    }
    if [ -n "$STRIMZI" ]; then
        others=$(served_by_operator) || fail "the Strimzi resources of other namespaces can't be read (see above)"
        if [ -n "$others" ]; then
            say "Kept: Strimzi's operator, which serves ${others//$'\n'/, }"
            return 0
        fi
    fi
    if [ -z "$DRY_RUN" ]; then
        helm_in "$OPERATOR_NAMESPACE" uninstall "$OPERATOR" --wait --timeout "${TIMEOUT}s" --ignore-not-found >/dev/null
        definitions=$(kube_cluster get customresourcedefinitions -l "$MADE_BY" -o name)
        # shellcheck disable=SC2086 # one word each
        [ -z "$definitions" ] || kube_cluster delete $definitions --timeout="${TIMEOUT}s" >/dev/null
    fi
    removed "Strimzi's operator and its definitions"
    remove_namespace "$OPERATOR_NAMESPACE"
}

# served_by_operator: what would go with Strimzi's definitions and is not of the Kafka that is removed, one per line: a
# Kafka as namespace/name, others with their kind before it
served_by_operator() {
    local kinds kafkas others kind namespace name cluster
    kafkas=$(kafkas_in --all) || return 1
    [ -n "$KEPT_KAFKA" ] || kafkas=$(sed "/^$NAMESPACE\/$CLUSTER_NAME\$/d" <<<"$kafkas")
    [ -z "$kafkas" ] || echo "$kafkas"
    kinds=$(strimzi_kinds) || return 1
    [ -n "$kinds" ] || return 0
    others=$(kube_cluster get "$kinds" --all-namespaces \
        -o 'jsonpath={range .items[*]}{.kind}|{.metadata.namespace}|{.metadata.name}|{.metadata.labels.strimzi\.io/cluster}{"\n"}{end}') || return 1
    while IFS='|' read -r kind namespace name cluster; do
        case $kind in
            "" | Kafka | KafkaNodePool) continue ;; # node pools are nothing without their Kafka
        esac
        [ "$namespace|$cluster" != "$NAMESPACE|$CLUSTER_NAME" ] || [ -n "$KEPT_KAFKA" ] || continue
        echo "$kind $namespace/$name"
    done <<<"$others"
}

# operator_is_ours: whether setup.sh installed it, or began to, in a namespace of its own
operator_is_ours() {
    local label
    if [ -n "$(namespace_mark "$OPERATOR_NAMESPACE")" ] && helm_in "$OPERATOR_NAMESPACE" status "$OPERATOR" >/dev/null 2>&1; then
        return 0
    fi
    label=$(kube_cluster get deployment "$OPERATOR" --namespace="$OPERATOR_NAMESPACE" --ignore-not-found \
        -o "jsonpath={.spec.template.metadata.labels.$MADE_BY_PATH}" 2>/dev/null) || return 1
    [ "$label" = "${MADE_BY#*=}" ]
}

# remove_namespace NAME: with --all, when setup.sh made it and nothing else is in it
remove_namespace() {
    local left
    [ -n "$(namespace_mark "$1")" ] || return 0
    if [ -z "$DRY_RUN" ]; then
        left=$(lasting inhabitants "$1")
        if [ -n "$left" ]; then
            say "Kept: namespace $1, in which there are also ${left//$'\n'/, }"
            return 0
        fi
        kube_cluster delete namespace "$1" --timeout="${TIMEOUT}s" >/dev/null ||
            fail "namespace $1 is not gone after ${TIMEOUT}s: kubectl get namespace $1 -o yaml says what holds it"
    fi
    removed "namespace $1"
}

# namespace_mark NAME: something when setup.sh made it
namespace_mark() {
    kube_cluster get namespace "$1" --ignore-not-found -o "jsonpath={.metadata.labels.$MADE_BY_PATH}" 2>/dev/null |
        sed -n "/^${MADE_BY#*=}\$/p"
}

# lasting COMMAND ...: what it still prints when all is gone that goes by itself in a while, as what belonged to Kafka does
lasting() {
    local began=$SECONDS left
    while left=$("$@") && [ -n "$left" ] && [ $((SECONDS - began)) -lt "$LONGEST_FAREWELL" ]; do
        sleep 2
    done
    echo "$left"
}

# inhabitants NAMESPACE: what is in it beyond what every namespace has, and what passes by itself
inhabitants() {
    local kinds
    kinds=$(kube_cluster api-resources --namespaced --verbs=list,delete -o name |
        sed -e '/^events/d' -e '/^endpoints$/d' -e '/^endpointslices/d' -e '/^leases/d' -e '/^controllerrevisions/d' | tr '\n' ',')
    kube_cluster get "${kinds%,}" --namespace="$1" --ignore-not-found -o name |
        sed -e '/^configmap\/kube-root-ca.crt$/d' -e '/^configmap\/openshift-service-ca.crt$/d' -e '/^serviceaccount\/default$/d'
}
