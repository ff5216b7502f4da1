# shellcheck shell=bash disable=SC2034,SC2153 # the files of deploy/ share their variables
# The pods of something that comes up: what they wait for, and whether waiting is of use. Sourced, not run.

# How long a trouble lasts before it is taken for one that does not pass. A registry may fail once, and a program may end
# once because something else was not there yet.
LONGEST_TROUBLE=15
# A user that Strimzi has just made, and a secret that has just been mounted, take some seconds to be valid.
LONGEST_REFUSAL=25
# An autoscaler answers a pod that fits on no node within this time, with an event.
LONGEST_UNSCHEDULED=45
# A webhook that can't be reached may be about to start.
LONGEST_WEBHOOK=60

# What the apps log when Kafka refuses them, TLS does not fit, or a name is wrong: waiting doesn't change it. And what
# they log when that is over. (What they "can't check", they can do without.)
REFUSING='Kafka refuses the |Kafka at .* refuses: |[Nn]ot authorized to |does not let this user|[Aa]uthorization ?[Ff]ailed|certificate verify failed'
REFUSING=$REFUSING'|CERTIFICATE_VERIFY_FAILED|TLS handshake with|no address is known for'
REFUSING=$REFUSING'|[Tt]opic .*(does|do) not exist'
ACCEPTING='Connected to Kafka|Kafka acknowledges again|Reading .*; it was unavailable for'

WATCHED_KIND=app WATCHED_NAMESPACE='' WATCHED=''

# begin_watch RELEASE [KIND NAMESPACE SELECTOR]: KIND is app (exit status 2 is a wrong setting, and the log says what Kafka
# refuses), operator, or kafka (no ReplicaSets, and pods may crash a few times until the others are there)
begin_watch() {
    WATCHED_KIND=${2:-app} WATCHED_NAMESPACE=${3:-$NAMESPACE} WATCHED=${4:-app.kubernetes.io/instance=$1}
    TROUBLE='' TROUBLED='' PROGRESS='' TROUBLE_SINCE='' SUSPECT='' REFUSAL='' NEWEST='' NOT_CREATED=''
    MOST_CRASHES=2
    [ "$WATCHED_KIND" != kafka ] || MOST_CRASHES=4
}

kube_watched() {
    kube_cluster --namespace="${WATCHED_NAMESPACE:-$NAMESPACE}" "$@"
}

# look_at_pods: sets PROGRESS to what they wait for, and TROUBLE once that can't end well, with TROUBLED, the pod
look_at_pods() {
    local pod ready restarts reason codes message found='' of='' class='' limit=0
    PROGRESS=''
    find_newest
    if [ -n "$NOT_CREATED" ]; then
        PROGRESS="no pod is allowed: $NOT_CREATED"
        found=NotCreated class=refused limit=$LONGEST_TROUBLE
        [[ $NOT_CREATED != *"failed calling webhook"* ]] || limit=$LONGEST_WEBHOOK
    fi
    while IFS='|' read -r pod ready restarts reason codes message; do
        [[ $pod =~ ^[a-z0-9][a-z0-9.-]*$ ]] && [ "$ready" != True ] || continue
        PROGRESS="$pod: ${reason:-${message:-not Ready yet}}"
        judge_pod "$pod" "$restarts" "$reason" "$codes" "$message"
        # Of several pods in trouble the one that was suspected before is kept.
        if [ -n "$FOUND" ] && { [ -z "$found" ] || [ "$pod $CLASS" = "$SUSPECT" ]; }; then
            found=$FOUND of=$pod class=$CLASS limit=$LIMIT
        fi
    done < <(newest_pods)
    if [ -z "$found" ]; then
        SUSPECT=''
        return 0
    elif [ "$of $class" != "$SUSPECT" ]; then
        SUSPECT="$of $class" TROUBLE_SINCE=$SECONDS
    fi
    if [ $((SECONDS - TROUBLE_SINCE)) -ge "$limit" ]; then
        TROUBLE=$found TROUBLED=$of
    fi
}

# judge_pod NAME RESTARTS REASON CODES MESSAGE: sets FOUND, what the pod suffers from, if waiting may not help; CLASS,
# what it counts as when it changes; and LIMIT, the seconds until it counts as lasting
judge_pod() {
    local pod=$1 restarts=${2:-0} reason=$3 codes=$4 message=$5
    FOUND='' CLASS='' LIMIT=$LONGEST_TROUBLE
    if [ "$WATCHED_KIND" = app ] && [[ " $codes " == *" 2 "* ]]; then
        FOUND=WrongSetting CLASS=setting LIMIT=0
        return 0
    fi
    case $reason in
        *ErrImage* | *ImagePullBackOff* | *InvalidImageName*) FOUND=$reason CLASS=image ;;
        *CreateContainerConfigError* | *CreateContainerError* | *RunContainerError*) FOUND=$reason CLASS=start ;;
        *ContainerCreating*)
            if [ -n "$(watched_events "$pod" FailedMount | sed -nE '/not found|non-existent/p')" ]; then
                FOUND=FailedMount CLASS=mount LIMIT=$LONGEST_REFUSAL
            fi
            ;;
        *CrashLoopBackOff* | "")
            if [ -n "$message" ]; then
                judge_unscheduled "$pod" "$message"
                return 0
            fi
            judge_log "$pod"
            if [ -z "$FOUND" ] && [ -n "$reason" ] && [ "$restarts" -ge "$MOST_CRASHES" ]; then
                FOUND=$reason CLASS=crash LIMIT=$LONGEST_TROUBLE
            fi
            ;;
    esac
}

# judge_unscheduled POD MESSAGE: no node takes it; one may be on its way
judge_unscheduled() {
    case $2 in
        *"scheduling gates"*) return 0 ;;
    esac
    if [ -n "$(watched_events "$1" 'TriggeredScaleUp|Nominated')" ]; then
        PROGRESS="$1: a node for it is on its way"
        return 0
    fi
    FOUND=Unschedulable CLASS=schedule LIMIT=$LONGEST_UNSCHEDULED
}

# judge_log POD: an app that Kafka refuses goes on trying, because a password may be corrected
judge_log() {
    local last
    [ "$WATCHED_KIND" = app ] || return 0
    last=$(kube_watched logs "$1" --all-containers --since=15m --tail=300 2>/dev/null |
        sed -nE -e "/can't check/d" -e "/$REFUSING|$ACCEPTING/p" | sed -n '$p') || last=
    if [[ $last =~ $REFUSING ]]; then
        REFUSAL=$last
    elif [ -n "$last" ] || [ "$SUSPECT" != "$1 kafka" ]; then
        return 0
    fi
    # A container that was started again has said nothing yet: the last word of the one before holds.
    PROGRESS="$1: $REFUSAL"
    FOUND=Refused CLASS=kafka LIMIT=$LONGEST_REFUSAL
}

# watched_events POD REASONS: those of its events that have one of the reasons, as reason: message
watched_events() {
    kube_watched get events --field-selector "involvedObject.kind=Pod,involvedObject.name=$1" --sort-by=.lastTimestamp \
        -o 'jsonpath={range .items[*]}{.reason}: {.message}{"\n"}{end}' 2>/dev/null | sed -nE "/^($2): /p"
}

# find_newest: sets NEWEST to the pod-template-hash of the newest revision, and NOT_CREATED to why Kubernetes makes no
# pods of it (a quota, a limit range, pod security, a webhook), which is to be seen nowhere else
find_newest() {
    local revision hash message newest=0 of_newest='' of_deployment=''
    NEWEST='' NOT_CREATED=''
    [ "$WATCHED_KIND" != kafka ] || return 0
    while IFS='|' read -r revision hash message; do
        [[ $revision =~ ^[0-9]+$ ]] || continue
        if [ -z "$hash" ]; then
            of_deployment=$message
        elif [ "$revision" -gt "$newest" ]; then
            newest=$revision NEWEST=$hash of_newest=$message
        fi
    done < <(kube_watched get replicasets,deployments -l "$WATCHED" -o 'jsonpath={range .items[*]}{.metadata.annotations.deployment\.kubernetes\.io/revision}|{.metadata.labels.pod-template-hash}|{.status.conditions[?(@.reason=="ReplicaSetCreateError")].message}{.status.conditions[?(@.type=="ReplicaFailure")].message}{"\n"}{end}' 2>/dev/null)
    NOT_CREATED=${of_newest:-$of_deployment}
}

# newest_pods: name|Ready|restarts|reason|exit statuses|why it is not scheduled, of the pods of the newest revision alone
newest_pods() {
    local selector=$WATCHED
    if [ "$WATCHED_KIND" != kafka ]; then
        [ -n "$NEWEST" ] || return 0
        selector=$selector,pod-template-hash=$NEWEST
    fi
    kube_watched get pods -l "$selector" -o 'jsonpath={range .items[*]}{.metadata.name}|{.status.conditions[?(@.type=="Ready")].status}|{.status.containerStatuses[0].restartCount}|{.status.containerStatuses[*].state.waiting.reason}|{.status.containerStatuses[*].state.terminated.exitCode} {.status.containerStatuses[*].lastState.terminated.exitCode}|{.status.conditions[?(@.type=="PodScheduled")].message}{"\n"}{end}' 2>/dev/null
}

# explain_trouble: to standard error
explain_trouble() {
    local image message namespace=${WATCHED_NAMESPACE:-$NAMESPACE}
    image=$(kube_watched get pod "$TROUBLED" -o 'jsonpath={.spec.containers[0].image}' 2>/dev/null) || image=
    message=$(kube_watched get pod "$TROUBLED" -o 'jsonpath={.status.containerStatuses[*].state.waiting.message}' 2>/dev/null) || message=
    {
        echo
        case $TROUBLE in
            NotCreated)
                echo "Kubernetes makes no pod: $NOT_CREATED"
                echo "  A quota or a limit range of the namespace, its pod security, or an admission webhook is in the way:"
                echo "  kubectl get resourcequota,limitrange -n $WATCHED_NAMESPACE; the pod's resources and labels can be"
                echo "  set in the charts' values (--values)."
                ;;
            Refused)
                echo "Pod $TROUBLED runs, but it can't do its work, and waiting does not change that:"
                indent <<<"$REFUSAL"
                explain_refusal
                ;;
            WrongSetting)
                echo "Pod $TROUBLED ends with status 2: one of its settings is wrong. What it said:"
                last_words
                ;;
            Unschedulable)
                echo "Pod $TROUBLED fits on no node:"
                explain_events "$namespace" Pod "$TROUBLED"
                explain_claims "$namespace" "$TROUBLED"
                ;;
            FailedMount)
                echo "Pod $TROUBLED can't start, because a volume can't be mounted:"
                explain_events "$namespace" Pod "$TROUBLED"
                ;;
            *Image*)
                echo "Pod $TROUBLED can't get its image $image ($TROUBLE)"
                explain_events "$namespace" Pod "$TROUBLED"
                [ "$WATCHED_KIND" != app ] || explain_images
                ;;
            *CrashLoopBackOff*)
                echo "Pod $TROUBLED ends again and again ($image)"
                explain_events "$namespace" Pod "$TROUBLED"
                echo "  the end of its log:"
                last_words
                ;;
            *)
                echo "Pod $TROUBLED can't start ($TROUBLE): $message"
                explain_events "$namespace" Pod "$TROUBLED"
                ;;
        esac
        echo
    } >&2
}

# last_words: of the run before, or of this one when there was none or it is not kept
last_words() {
    local log
    log=$(kube_watched logs "$TROUBLED" --all-containers --previous --tail=15 2>/dev/null) || log=
    [ -n "$log" ] || log=$(kube_watched logs "$TROUBLED" --all-containers --tail=15 2>&1) || true
    indent <<<"$log"
}

explain_images() {
    echo "  Build it and put it where the nodes can get it: make images REGISTRY=... TAG=..., push, and then"
    echo "  ./setup.sh --image-registry REGISTRY --image-tag TAG. Without a registry: kind load docker-image,"
    echo "  k3d image import, minikube image load. A private registry needs imagePullSecrets (--values)."
}

# explain_refusal: where to look, by what the app said
explain_refusal() {
    case $REFUSAL in
        *certificate* | *CERTIFICATE* | *TLS*)
            echo "  The CA in the pod is not that of Kafka's certificate: kafka.tls.caSecret names its Secret (--values)."
            ;;
        *"not exist"*)
            echo "  kubectl get kafkatopic -n $WATCHED_NAMESPACE shows the topics; the values of the chart name them (topics)."
            ;;
        *"no address"*)
            echo "  kafka.bootstrapServers is $BOOTSTRAP_SERVERS unless --values says otherwise."
            ;;
        *)
            echo "  Its user, password and rights: kubectl get kafkauser,secret -n $WATCHED_NAMESPACE; the values"
            echo "  kafka.authentication.secret and .username name others (--values)."
            ;;
    esac
}

# explain_replica_set RELEASE: pods that are refused (quota, pod security) leave a trace nowhere else
explain_replica_set() {
    kube get deployment "$1" --ignore-not-found \
        -o 'jsonpath={range .status.conditions[?(@.status!="True")]}{.type}: {.message}{"\n"}{end}{range .status.conditions[?(@.type=="ReplicaFailure")]}{.message}{"\n"}{end}' \
        2>/dev/null | indent
}

# watch_helm WHAT SEEN: while $HELM, which logs to $WORK/helm.log, is at work: says every 15 s what it waits for, SEEN
# until pods are to be seen; ends it when that can't end well, and says why. Sets HELM_STATUS; fails when it ended helm.
watch_helm() {
    local what=$1 seen=$2 said=$SECONDS looked=$SECONDS
    HELM_STATUS=0
    while kill -0 "$HELM" 2>/dev/null; do
        sleep 0.2
        [ $((SECONDS - looked)) -ge 2 ] || continue
        look_at_pods
        looked=$SECONDS
        if [ -n "$TROUBLE" ]; then
            stop_helm
            explain_trouble
            return 1
        fi
        if [ $((SECONDS - said)) -ge 15 ]; then
            say "Waiting for $what: ${PROGRESS:-$seen}"
            said=$SECONDS
        fi
    done
    wait "$HELM" || HELM_STATUS=$?
    HELM=
}

# stop_helm: it marks the release as failed and ends; the next setup.sh goes on from there
stop_helm() {
    [ -n "$HELM" ] || return 0
    kill "$HELM" 2>/dev/null || true
    wait "$HELM" 2>/dev/null || true
    HELM=
}
