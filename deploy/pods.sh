# shellcheck shell=bash disable=SC2034,SC2153 # the files of deploy/ share their variables
# The pods of a release that comes up: what they wait for, and whether waiting is of use. Sourced, not run.

# A registry may fail once, and a program may end once because something else was not there yet.
LONGEST_TROUBLE=15

# begin_watch RELEASE
begin_watch() {
    WATCHED=$1 TROUBLE='' TROUBLED='' PROGRESS='' TROUBLE_SINCE='' SUSPECT=''
}

# look_at_pods: sets PROGRESS to what they wait for, and TROUBLE once that can't end well, with TROUBLED, the pod
look_at_pods() {
    local pod ready restarts reason message found='' of=''
    while IFS='|' read -r pod ready restarts reason message; do
        [ -n "$pod" ] && [ "$ready" != True ] || continue
        PROGRESS="$pod: ${reason:-${message:-not Ready yet}}"
        case $reason in
            *ErrImage* | *ImagePullBackOff* | *InvalidImageName* | *CreateContainerConfigError* | *CreateContainerError* | *RunContainerError*)
                found=$reason of=$pod
                ;;
            *CrashLoopBackOff*)
                [ "${restarts:-0}" -lt 2 ] || found=$reason of=$pod
                ;;
        esac
    done < <(newest_pods)
    if [ "$of" != "$SUSPECT" ]; then
        SUSPECT=$of TROUBLE_SINCE=$SECONDS
    elif [ -n "$of" ] && [ $((SECONDS - TROUBLE_SINCE)) -ge "$LONGEST_TROUBLE" ]; then
        TROUBLE=$found TROUBLED=$of
    fi
}

# newest_pods: name|Ready|restarts|reason|why it is not scheduled, of the pods of the newest revision alone
newest_pods() {
    local selector=app.kubernetes.io/instance=$WATCHED revision hash newest=0 newest_hash=''
    while IFS='|' read -r revision hash; do
        if [ "${revision:-0}" -gt "$newest" ]; then
            newest=$revision newest_hash=$hash
        fi
    done < <(kube get replicasets -l "$selector" -o 'jsonpath={range .items[*]}{.metadata.annotations.deployment\.kubernetes\.io/revision}|{.metadata.labels.pod-template-hash}{"\n"}{end}' 2>/dev/null)
    [ -n "$newest_hash" ] || return 0
    kube get pods -l "$selector,pod-template-hash=$newest_hash" -o 'jsonpath={range .items[*]}{.metadata.name}|{.status.conditions[?(@.type=="Ready")].status}|{.status.containerStatuses[0].restartCount}|{.status.containerStatuses[*].state.waiting.reason}|{.status.conditions[?(@.type=="PodScheduled")].message}{"\n"}{end}' 2>/dev/null
}

# explain_trouble: to standard error
explain_trouble() {
    local image message
    image=$(kube get pod "$TROUBLED" -o 'jsonpath={.spec.containers[0].image}' 2>/dev/null) || image=
    message=$(kube get pod "$TROUBLED" -o 'jsonpath={.status.containerStatuses[*].state.waiting.message}' 2>/dev/null) || message=
    {
        echo
        case $TROUBLE in
            *Image*)
                echo "Pod $TROUBLED can't get its image $image ($TROUBLE)"
                explain_events "$NAMESPACE" Pod "$TROUBLED"
                echo "  Build it and put it where the nodes can get it: make images REGISTRY=... TAG=..., push, and then"
                echo "  ./setup.sh --image-registry REGISTRY --image-tag TAG. Without a registry: kind load docker-image,"
                echo "  k3d image import, minikube image load. A private registry needs imagePullSecrets (--values)."
                ;;
            *CrashLoopBackOff*)
                echo "Pod $TROUBLED ends again and again ($image)"
                explain_events "$NAMESPACE" Pod "$TROUBLED"
                echo "  the end of its log:"
                kube logs "$TROUBLED" --previous --tail=15 2>&1 | indent
                ;;
            *)
                echo "Pod $TROUBLED can't start ($TROUBLE): $message"
                explain_events "$NAMESPACE" Pod "$TROUBLED"
                ;;
        esac
        echo
    } >&2
}

# explain_replica_set RELEASE: pods that are refused (quota, pod security) leave a trace nowhere else
explain_replica_set() {
    kube get deployment "$1" --ignore-not-found \
        -o 'jsonpath={range .status.conditions[?(@.status!="True")]}{.type}: {.message}{"\n"}{end}{range .status.conditions[?(@.type=="ReplicaFailure")]}{.message}{"\n"}{end}' \
        2>/dev/null | indent
}
