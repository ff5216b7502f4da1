# shellcheck shell=bash disable=SC2034,SC2153 # the files of deploy/ share their variables
# The topics: made when they are missing, and not changed, because a change can cost data; only a retention that is too
# short for the processor's settings is raised. Sourced, not run.

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
    local manifests name there other cluster going partitions replicas kept=() new=()
    SHORT_TOPICS=()
    find_retention
    manifests=$(manifest "$(topic_folder)")
    while IFS= read -r name; do
        there=$(existing_topic "$name")
        other=$(other_manager "$name" "$manifests")
        if [ -n "$other" ]; then
            detail "topic $(kafka_name "$name" "$manifests") is that of KafkaTopic $other: left as it is"
        elif [ -n "$there" ]; then
            IFS='|' read -r _ cluster going partitions replicas _ <<<"$there"
            check_topic "$name" "$cluster" "$going"
            compare_topic "$manifests" "$name" "$partitions" "$replicas"
            check_retention "$name" "$there"
            kept+=("$name")
        else
            new+=("$name")
        fi
    done < <(names KafkaTopic <<<"$manifests")
    check_other_topics "${new[*]-} ${kept[*]-}"
    raise_retention
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

# existing_topic NAME: there|cluster|going|partitions|replicas|retention.ms|who made it|whether Strimzi manages it
existing_topic() {
    [ "$KAFKA" != missing ] || return 0
    kube get "$TOPICS" "$1" --ignore-not-found -o \
        "jsonpath=there|{.metadata.labels.strimzi\.io/cluster}|{.metadata.deletionTimestamp}|{.spec.partitions}|{.spec.replicas}|{.spec.config.retention\.ms}|{.metadata.labels.$MADE_BY_PATH}|{.metadata.annotations.strimzi\.io/managed}"
}

# kafka_name NAME MANIFESTS: what Kafka calls the topic of a KafkaTopic
kafka_name() {
    local name
    name=$(document "$1" <<<"$2" | sed -n 's/^  topicName: //p')
    echo "${name:-$1}"
}

# other_manager NAME MANIFESTS: the KafkaTopic under another name for the same topic; Strimzi would refuse a second one
other_manager() {
    local topic
    topic=$(kafka_name "$@")
    [ "$KAFKA" != missing ] && [ "$topic" != "$1" ] || return 0
    # A user who may not list topics gets Strimzi's refusal instead.
    { kube get "$TOPICS" -l "strimzi.io/cluster=$CLUSTER_NAME" \
        -o 'jsonpath={range .items[*]}{.spec.topicName}|{.metadata.name}{"\n"}{end}' 2>/dev/null || true; } |
        sed -n -e "/|$1\$/d" -e "s/^$topic|//p"
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

# check_retention NAME EXISTING: ends when the topic forgets too early and is not ours to change; else adds it to
# SHORT_TOPICS, as name|retention
check_retention() {
    local retention maker managed words
    keeps_for_processor "$1" || return 0
    IFS='|' read -r _ _ _ _ _ retention maker managed <<<"$2"
    [ -n "$retention" ] || retention=$(default_retention)
    if [ "$maker" = "${MADE_BY#*=}" ] && [ "$managed" != false ]; then
        ! is_shorter "$retention" "$(ample_retention)" || SHORT_TOPICS+=("$1|$retention")
    elif is_shorter "$retention" "$NEEDED_MS"; then
        words="topic $1 keeps its records for $(duration_of "$retention"), the processor needs them for $(duration_of "$NEEDED_MS")"
        words="$words (WINDOW_SIZE + OUT_OF_ORDERNESS + ALLOWED_LATENESS), and setup.sh did not make it: lower these, or"
        if [ "$managed" = false ]; then
            fail "$words kafka-configs.sh --bootstrap-server $BOOTSTRAP_SERVERS --alter --entity-type topics" \
                "--entity-name $1 --add-config retention.ms=$(ample_retention) (and its KafkaTopic, which Strimzi does not manage)"
        fi
        fail "$words kubectl patch kafkatopic $1 -n $NAMESPACE --type=merge -p" \
            "'{\"spec\":{\"config\":{\"retention.ms\":$(ample_retention)}}}' (or the same in whatever makes it)"
    fi
}

# check_other_topics NAMES: those that the processor was given by its values instead of NAMES
check_other_topics() {
    local name there
    for name in "${KEEPING_TOPICS[@]}"; do
        case " $1 " in
            *" $name "*) continue ;;
        esac
        there=$(existing_topic "$name")
        [ -z "$there" ] || check_retention "$name" "$there"
    done
}

# raise_retention: of topics that are ours; a longer one is never shortened
raise_retention() {
    local each name ample
    [ "${#SHORT_TOPICS[@]}" -gt 0 ] || return 0
    check_rights "let topics keep their records for longer" patch "$TOPICS"
    ample=$(ample_retention)
    for each in "${SHORT_TOPICS[@]}"; do
        name=${each%|*}
        if [ -n "$DRY_RUN" ]; then
            say "Would let topic $name keep its records for $(duration_of "$ample") instead of $(duration_of "${each#*|}")"
            continue
        fi
        kube patch "$TOPICS" "$name" --type=merge -p "{\"spec\":{\"config\":{\"retention.ms\":$ample}}}" >/dev/null
        say "Topic $name keeps its records for $(duration_of "$ample") instead of $(duration_of "${each#*|}"): the windows need it"
    done
}

# create_topic MANIFESTS NAME
create_topic() {
    local text
    text=$(document "$2" <<<"$1")
    lengthen_retention "$2" "$text"
    if [ -z "$DRY_RUN" ]; then
        mark <<<"$LENGTHENED" | kube create --save-config -f - >/dev/null
    elif [ "$KAFKA" = found ]; then
        kube create --dry-run=server -f - <<<"$LENGTHENED" >/dev/null
    fi
}

# lengthen_retention NAME MANIFEST: sets LENGTHENED to the manifest with the retention that the settings ask for
lengthen_retention() {
    local least wanted
    LENGTHENED=$2
    keeps_for_processor "$1" || return 0
    least=$(sed -n 's/^    retention\.ms: //p' <<<"$2")
    [ -n "$least" ] || return 0
    wanted=$(wanted_retention "$least")
    [ "$wanted" != "$least" ] || return 0
    LENGTHENED=$(kubectl patch --local -f - --type=merge -p "{\"spec\":{\"config\":{\"retention.ms\":$wanted}}}" -o json <<<"$2")
    detail "topic $1 gets a retention of $(duration_of "$wanted") instead of $(duration_of "$least"): the processor's windows need it"
}
