# shellcheck shell=bash disable=SC2034,SC2153 # the files of deploy/ share their variables
# The Kafka resource: found or made, and Ready. Sourced, not run.

# kafkas_in NAMESPACE|--all: namespace/name of the Kafka resources, one per line
kafkas_in() {
    local where=(--namespace="$1")
    [ "$1" != --all ] || where=(--all-namespaces)
    kube get "$KAFKAS" "${where[@]}" -o 'jsonpath={range .items[*]}{.metadata.namespace}/{.metadata.name}{"\n"}{end}'
}

# find_kafka: says which Kafka is used, sets KAFKA to found, or to missing when --with-kafka is going to make it
find_kafka() {
    local here elsewhere others
    KAFKA=missing
    case $(namespace_state) in
        going) fail "namespace $NAMESPACE is being deleted: wait until it is gone (kubectl get namespace $NAMESPACE)" ;;
        missing) here= ;;
        *)
            check_rights "see Kafka" get "$KAFKAS" list "$KAFKAS" list "$POOLS"
            here=$(kafkas_in "$NAMESPACE")
            ;;
    esac
    case $'\n'$here$'\n' in
        *$'\n'"$NAMESPACE/$CLUSTER_NAME"$'\n'*)
            KAFKA=found
            return 0
            ;;
    esac
    [ -z "$WITH_KAFKA" ] || return 0
    if [ -n "$here" ]; then
        others=${here//$NAMESPACE\//} others=${others//$'\n'/ }
        fail "there is no Kafka $CLUSTER_NAME in namespace $NAMESPACE: choose with --cluster-name one of those that are:" \
            "${others% }; or --with-kafka dev (or eks) makes $CLUSTER_NAME"
    fi
    elsewhere=$(kafkas_in --all 2>/dev/null | tr '\n' ' ') || elsewhere=
    [ -z "$elsewhere" ] ||
        fail "there is no Kafka in namespace $NAMESPACE, but there are (namespace/name) ${elsewhere% }: choose one with" \
            "--namespace and --cluster-name; or --with-kafka dev (or eks) makes $CLUSTER_NAME in $NAMESPACE"
    fail "there is no Kafka in namespace $NAMESPACE: ./setup.sh --with-kafka dev (one node) or --with-kafka eks" \
        "(three brokers) makes $CLUSTER_NAME"
}

# check_kafka: ends when --with-kafka can't work here
check_kafka() {
    local wanted existing pool class claims
    [ -n "$WITH_KAFKA" ] || return 0
    if [ "$KAFKA" = found ]; then
        made_by_setup "$KAFKAS" "$CLUSTER_NAME" || return 0
        wanted=$'\n'$(manifest "overlays/$WITH_KAFKA/kafka" | names KafkaNodePool)$'\n'
        existing=$(pools '{.metadata.name}{"\n"}')
        for pool in $existing; do
            case $wanted in
                *$'\n'"$pool"$'\n'*) ;;
                *) fail "--with-kafka=$WITH_KAFKA: Kafka $CLUSTER_NAME was made another way, with node pool $pool: leave" \
                    "--with-kafka out, or remove it and its data first with ./cleanup.sh --delete-kafka" ;;
            esac
        done
        return 0
    fi
    check_rights "create Kafka" create "$KAFKAS" create "$POOLS" create configmaps
    claims=$(kube get persistentvolumeclaims -l "strimzi.io/cluster=$CLUSTER_NAME" -o name 2>/dev/null) || claims=
    [ -z "$claims" ] ||
        fail "volumes of an earlier Kafka $CLUSTER_NAME are still there, and a new one would not start with them:" \
            "remove them and their data with kubectl delete pvc -n $NAMESPACE -l strimzi.io/cluster=$CLUSTER_NAME"
    for class in $(manifest "overlays/$WITH_KAFKA/kafka" | sed -n 's/^ *class: //p' | sort -u); do
        check_storage_class "$class"
    done
}

# check_storage_class NAME: ends when it is known to be missing (who may not look at them is not held up)
check_storage_class() {
    local classes
    classes=$(kube get storageclasses.storage.k8s.io -o 'jsonpath={range .items[*]}{.metadata.name}{" "}{end}' 2>/dev/null) ||
        return 0
    case " $classes" in
        *" $1 "*) ;;
        *) fail "--with-kafka=$WITH_KAFKA needs the storage class $1, and this cluster has ${classes:-none}:" \
            "create it first (docs/deploy.md), or use --with-kafka dev" ;;
    esac
}

# pools JSONPATH: of each node pool of the cluster
pools() {
    kube get "$POOLS" -l "strimzi.io/cluster=$CLUSTER_NAME" -o "jsonpath={range .items[*]}$1{end}"
}

# create_kafka: with --with-kafka; a Kafka that somebody else made is used as it is
create_kafka() {
    [ -n "$WITH_KAFKA" ] || return 0
    if [ "$KAFKA" = found ] && ! made_by_setup "$KAFKAS" "$CLUSTER_NAME"; then
        say "Kafka $CLUSTER_NAME is there already, and setup.sh did not make it: used as it is"
        return 0
    fi
    if [ -n "$DRY_RUN" ]; then
        [ "$KAFKA" = found ] || say "Would create Kafka $CLUSTER_NAME as in strimzi/overlays/$WITH_KAFKA/kafka"
        return 0
    fi
    manifest "overlays/$WITH_KAFKA/kafka" | mark "$CLUSTER_NAME" | kube apply -f - | sed '/ unchanged$/d' | indent
    [ "$KAFKA" = found ] || say "Kafka $CLUSTER_NAME created as in strimzi/overlays/$WITH_KAFKA/kafka"
    KAFKA=found
}

# wait_for_kafka: until it is Ready; sets BROKERS
wait_for_kafka() {
    local version state
    [ "$KAFKA" = found ] || return 0
    BROKERS=$(count_brokers)
    if [ -n "$DRY_RUN" ]; then
        state=$(state_of "$KAFKAS" "$CLUSTER_NAME")
        if [ "$state" != Ready ]; then
            say "Would wait until Kafka $CLUSTER_NAME is Ready: $(in_words "$state")"
            return 0
        fi
    else
        wait_until_ready "$KAFKAS" "$CLUSTER_NAME"
    fi
    version=$(kube get "$KAFKAS" "$CLUSTER_NAME" -o 'jsonpath={.status.kafkaVersion}')
    say "Kafka $CLUSTER_NAME${version:+ ($version)} is Ready, with $BROKERS broker$([ "$BROKERS" = 1 ] || echo s)"
}

# count_brokers: the sum of the node pools that have the role
count_brokers() {
    local replicas roles sum=0
    while IFS='|' read -r replicas roles; do
        case $roles in
            *broker*) sum=$((sum + replicas)) ;;
        esac
    done < <(pools '{.spec.replicas}|{.spec.roles}{"\n"}')
    echo "$sum"
}

# check_entity_operator: ends when nobody would serve KafkaTopics, or KafkaUsers where they are needed
check_entity_operator() {
    local topic user
    [ "$KAFKA" = found ] || return 0
    IFS='|' read -r topic user < <(kube get "$KAFKAS" "$CLUSTER_NAME" \
        -o 'jsonpath={.spec.entityOperator.topicOperator}|{.spec.entityOperator.userOperator}{"\n"}')
    [ -n "$topic" ] || fail "Kafka $CLUSTER_NAME runs without a topic operator: add spec.entityOperator.topicOperator: {}" \
        "(kubectl edit kafka $CLUSTER_NAME -n $NAMESPACE)"
    [ -n "$user" ] || [ "$LISTENER_AUTHENTICATION" = none ] ||
        fail "listener $LISTENER of Kafka $CLUSTER_NAME asks for users, but there is no user operator: add" \
            "spec.entityOperator.userOperator: {} (kubectl edit kafka $CLUSTER_NAME -n $NAMESPACE)"
}
