# shellcheck shell=bash disable=SC2034,SC2153 # the files of deploy/ share their variables
# The topics: made when they are missing, and never changed, because a change can cost data. Sourced, not run.

# topic_folder: replicas follow the number of brokers
topic_folder() {
    if [ "$KAFKA" = missing ]; then
        echo "overlays/$WITH_KAFKA/topics"
    elif [ "$BROKERS" -ge 3 ]; then
        echo overlays/eks/topics
    else
        echo overlays/dev/topics
    fi
}

# create_topics: and wait until they are Ready
create_topics() {
    local manifests name there cluster going partitions replicas kept=() new=()
    manifests=$(manifest "$(topic_folder)")
    while IFS= read -r name; do
        there=
        [ "$KAFKA" = missing ] || there=$(kube get "$TOPICS" "$name" --ignore-not-found -o \
            'jsonpath=there|{.metadata.labels.strimzi\.io/cluster}|{.metadata.deletionTimestamp}|{.spec.partitions}|{.spec.replicas}')
        if [ -n "$there" ]; then
            IFS='|' read -r _ cluster going partitions replicas <<<"$there"
            check_topic "$name" "$cluster" "$going"
            compare_topic "$manifests" "$name" "$partitions" "$replicas"
            kept+=("$name")
        else
            new+=("$name")
        fi
    done < <(names KafkaTopic <<<"$manifests")
    for name in ${new[@]+"${new[@]}"}; do
        create_topic "$manifests" "$name"
    done
    if [ -n "$DRY_RUN" ]; then
        [ "${#new[@]}" -eq 0 ] || say "Would create the topics ${new[*]}"
        return 0
    fi
    wait_until_ready "$TOPICS" ${new[@]+"${new[@]}"} ${kept[@]+"${kept[@]}"}
    [ "${#new[@]}" -eq 0 ] || say "Topics created: ${new[*]}"
    [ "${#kept[@]}" -eq 0 ] || say "Topics that were there: ${kept[*]}"
}

# check_topic NAME CLUSTER GOING: ends when the object is not ours to use
check_topic() {
    [ "$2" = "$CLUSTER_NAME" ] ||
        fail "KafkaTopic $1 in namespace $NAMESPACE belongs to Kafka ${2:-without a label}, not to $CLUSTER_NAME: use" \
            "--cluster-name ${2:-NAME}, or another namespace"
    [ -z "$3" ] ||
        fail "KafkaTopic $1 is being deleted: wait until it is gone (kubectl get kafkatopic -n $NAMESPACE); if that takes" \
            "long, its operator does not run"
}

# compare_topic MANIFESTS NAME PARTITIONS REPLICAS: says what is not as in the manifest
compare_topic() {
    local wanted partitions replicas
    wanted=$(document "$2" <<<"$1")
    partitions=$(sed -n 's/^  partitions: //p' <<<"$wanted")
    replicas=$(sed -n 's/^  replicas: //p' <<<"$wanted")
    [ "${3:-$partitions}" = "$partitions" ] || detail "topic $2 has $3 partitions (a new one would get $partitions): left as it is"
    [ "${4:-$replicas}" = "$replicas" ] || detail "topic $2 has $4 replicas (a new one would get $replicas): left as it is"
}

# create_topic MANIFESTS NAME
create_topic() {
    if [ -z "$DRY_RUN" ]; then
        document "$2" <<<"$1" | kube create --save-config -f - >/dev/null
    elif [ "$KAFKA" = found ]; then
        document "$2" <<<"$1" | kube create --dry-run=server -f - >/dev/null
    fi
}
