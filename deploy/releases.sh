# shellcheck shell=bash disable=SC2034,SC2153 # the files of deploy/ share their variables
# The Helm releases. Sourced, not run.

RELEASES=() # those to be installed, in order
COLLECTOR_RELEASE=clickstream-collector
# After the apps: the upgrade of an older processor release removes the dashboard that was part of it.
MONITORING_RELEASE=clickstream-monitoring
RULES=prometheusrules.monitoring.coreos.com

# add_values [RELEASE=]FILE: an option --values; the file is copied, so it may be a pipe
add_values() {
    local release='' file=$1 copy=$WORK/values-${#VALUES[@]}.yaml
    case " ${ALL_RELEASES[*]} $MONITORING_RELEASE " in
        *" ${1%%=*} "*) release=${1%%=*} file=${1#*=} ;;
        *)
            if [[ $1 =~ ^(clickstream-[a-z-]+)= ]]; then
                refuse "--values=$1: there is no release ${BASH_REMATCH[1]}; expected one of ${ALL_RELEASES[*]} $MONITORING_RELEASE"
            fi
            ;;
    esac
    if [ -d "$file" ] || ! cat -- "$file" >"$copy" 2>/dev/null; then
        refuse "--values=$1: the file $file can't be read"
    fi
    VALUES+=("$release=$copy")
}

# is_chosen OPTION: whether it was given (an empty one always is)
is_chosen() {
    [ -z "$1" ] || [[ " $PARTS " == *" $1 "* ]]
}

# choose_releases: sets RELEASES; values for a release whose option is missing do not add it, but are refused
choose_releases() {
    local release option each
    for release in "${ALL_RELEASES[@]}"; do
        option=$(option_of "$release")
        if is_chosen "$option"; then
            RELEASES+=("$release")
            continue
        fi
        for each in ${VALUES[@]+"${VALUES[@]}"}; do
            [ "${each%%=*}" != "$release" ] ||
                refuse "--values=$release=...: $release is installed with --$option, which is missing"
        done
    done
}

# choose_monitoring: adds dashboard and rules when they are asked for, or when the Prometheus operator is there and this
# user may create both; without the operator the dashboard alone
choose_monitoring() {
    local each rules=true
    [[ $(kube_cluster get --raw=/apis/monitoring.coreos.com/v1 2>/dev/null) == *'"PrometheusRule"'* ]] &&
        [ -z "$(missing_rights create "$RULES" patch "$RULES" create configmaps patch configmaps)" ] || rules=false
    if [ -n "$MONITORING" ] || [ "$rules" = true ]; then
        RELEASES+=("$MONITORING_RELEASE")
        echo "rules: {enabled: $rules}" >"$WORK/$MONITORING_RELEASE-found.yaml"
        [ "$rules" = true ] ||
            say "No alert rules: the Prometheus operator is not installed, or you may not create $RULES"
        return 0
    fi
    for each in ${VALUES[@]+"${VALUES[@]}"}; do
        [ "${each%%=*}" != "$MONITORING_RELEASE" ] ||
            fail "--values=$MONITORING_RELEASE=...: without the Prometheus operator this release is installed with" \
                "--monitoring, which is missing"
    done
}

# choose_strategy: the processor's pods are replaced one by one where the settings that decide what is counted where are
# those of the pods that run; else the old ones end first, which is the chart's default
choose_strategy() {
    local each
    for each in WINDOW_SIZE WINDOW_TIME MAX_CLOCK_SKEW; do
        [ "$(processor_setting "$each")" = "$(kube get deployment clickstream-streams-processor --ignore-not-found \
            -o "jsonpath={.spec.template.spec.containers[0].env[?(@.name=='$each')].value}" 2>/dev/null)" ] || return 0
    done
    echo "strategy: RollingUpdate" >"$WORK/clickstream-streams-processor-found.yaml"
}

# create_visitor_secret: creates the salt of visitors' ids if it is missing; an existing one is never changed
create_visitor_secret() {
    local random name=$COLLECTOR_RELEASE-visitors
    # Values may name another Secret.
    is_chosen collector && [[ $(<"$WORK/rendered-$COLLECTOR_RELEASE") == *"secretName: $name"* ]] || return 0
    [ -z "$(kube get secrets --field-selector="metadata.name=$name" -o name)" ] || return 0
    if [ -n "$DRY_RUN" ]; then
        say "Would create the secret $name"
        return 0
    fi
    random=$(head -c 2000 /dev/urandom | tr -dc 'A-Za-z0-9')
    kubectl create secret generic "$name" --from-file=secret=/dev/stdin --dry-run=client -o json <<<"${random:0:64}" |
        kubectl label --local -f - -o json "app.kubernetes.io/instance=$COLLECTOR_RELEASE" app.kubernetes.io/part-of=clickstream |
        kube create -f - >/dev/null
    say "Secret $name created"
}

# connection_values: how to reach Kafka
connection_values() {
    cat <<YAML
kafka:
  bootstrapServers: "$BOOTSTRAP_SERVERS"
  tls: {enabled: $LISTENER_TLS, caSecret: "$CLUSTER_NAME-cluster-ca-cert"}
  authentication: {type: "$LISTENER_AUTHENTICATION"}
YAML
}

# option_values RELEASE: what the user's options say
option_values() {
    [ "$1" != "$MONITORING_RELEASE" ] || return 0
    [ -z "$IMAGE_REGISTRY$IMAGE_TAG" ] || echo "image:"
    [ -z "$IMAGE_REGISTRY" ] || echo "  registry: \"$IMAGE_REGISTRY\""
    [ -z "$IMAGE_TAG" ] || echo "  tag: \"$IMAGE_TAG\""
    case $1 in
        clickstream-streams-processor) [ -z "$WINDOW_SIZE" ] || echo "windowSize: \"$WINDOW_SIZE\"" ;;
        clickstream-producer) [ -z "$RATE" ] || echo "rate: $RATE" ;;
    esac
}

# write_values: what comes from Kafka, and what comes from the options, as files
write_values() {
    local release
    [ -z "$LISTENER" ] || connection_values >"$WORK/kafka.yaml"
    for release in "${RELEASES[@]}"; do
        option_values "$release" >"$WORK/$release-options.yaml"
    done
}

# describe_release RELEASE: sets HELM_ARGUMENTS to its name, chart and values; a later file of values wins
describe_release() {
    local each shared='=' found=("$WORK/kafka.yaml" "$WORK/$1-found.yaml")
    # It is not an app, so the apps' shared values are not passed to it.
    [ "$1" != "$MONITORING_RELEASE" ] || shared=$1= found=("$WORK/$1-found.yaml")
    HELM_ARGUMENTS=("$1" "$ROOT/$(chart_of "$1")" --namespace "$NAMESPACE")
    [ -z "$CONTEXT" ] || HELM_ARGUMENTS+=(--kube-context "$CONTEXT")
    for each in "${found[@]}"; do
        [ ! -f "$each" ] || HELM_ARGUMENTS+=(--values "$each")
    done
    for each in ${VALUES[@]+"${VALUES[@]}"}; do
        case $each in
            "$shared"* | "$1="*) HELM_ARGUMENTS+=(--values "${each#*=}") ;;
        esac
    done
    HELM_ARGUMENTS+=(--values "$WORK/$1-options.yaml")
}

# check_charts: they are complete, and take the values; ends otherwise
check_charts() {
    local release version number=0 checks=()
    write_values
    version=$(kube get --raw=/version 2>/dev/null | sed -n 's/.*"gitVersion": *"\([^"]*\)".*/\1/p') || version=
    for release in "${RELEASES[@]}"; do
        (check_chart "$release" "$version") >"$WORK/check-$release" 2>&1 &
        checks+=($!)
    done
    for release in "${RELEASES[@]}"; do
        wait "${checks[number]}" || {
            cat "$WORK/check-$release" >&2
            REFUSED=yes
            exit 1
        }
        number=$((number + 1))
    done
}

# check_chart RELEASE VERSION: renders it, for this version of Kubernetes where it is known, to $WORK/rendered-RELEASE
check_chart() {
    local chart output
    chart=$ROOT/$(chart_of "$1")
    output=$(helm dependency build --skip-refresh "$chart" 2>&1) ||
        fail "chart $chart can't be completed ($(last_line "$output")): is the folder writable?"
    describe_release "$1"
    output=$(helm template "${HELM_ARGUMENTS[@]}" ${2:+--kube-version "$2"} --no-hooks \
        2>&1 >"$WORK/rendered-$1") || {
        [[ $output != *"requires kubeVersion"* ]] ||
            fail "this cluster's Kubernetes is too old for $1 ($(last_line "$output"))"
        indent <<<"$output" >&2
        fail "the values for $1 are refused: see above ($(chart_of "$1")/values.yaml explains them)"
    }
}

# check_release_rights: helm keeps its records in Secrets, and makes what the charts hold
check_release_rights() {
    local kind rights=()
    for kind in $(cat "${RELEASES[@]/#/$WORK/rendered-}" | sed -n 's/^kind: //p' | sort -u | tr '[:upper:]' '[:lower:]'); do
        rights+=(create "$kind" patch "$kind")
    done
    check_rights "install Clickstream" get "$TOPICS" create "$TOPICS" list secrets create secrets update secrets \
        list pods get pods/log list events "${rights[@]}"
}

# install_releases: one after the other, each until its pods are Ready
install_releases() {
    local release output
    write_values
    choose_strategy
    create_visitor_secret
    for release in "${RELEASES[@]}"; do
        if [ -z "$DRY_RUN" ]; then
            install_release "$release"
        elif [ "$KAFKA" = missing ]; then
            say "Would install $release"
        else
            describe_release "$release"
            output=$(helm upgrade --install --dry-run=server "${HELM_ARGUMENTS[@]}" 2>&1 >/dev/null) || {
                indent <<<"$output" >&2
                fail "$release could not be installed: see above"
            }
            say "Would $(is_installed "$release" && echo upgrade || echo install) $release"
        fi
    done
}

# keep_others: what is there and whose option is missing is neither removed nor changed
keep_others() {
    local release option
    for release in "${ALL_RELEASES[@]}" "$MONITORING_RELEASE"; do
        case " ${RELEASES[*]} " in
            *" $release "*) continue ;;
        esac
        option=$(option_of "$release")
        ! is_installed "$release" ||
            say "$release is there and stays as it is (with --${option:-monitoring} it is updated too)"
    done
}

is_installed() {
    helm_in "$NAMESPACE" status "$1" >/dev/null 2>&1
}

# check_pending: ends when helm was killed in the middle of a release, or is at it somewhere else
check_pending() {
    local release status
    for release in "${RELEASES[@]}"; do
        { helm_in "$NAMESPACE" status "$release" 2>/dev/null || true; } >"$WORK/status-$release" &
    done
    wait
    for release in "${RELEASES[@]}"; do
        status=$(sed -n 's/^STATUS: //p' "$WORK/status-$release")
        case $status in
            pending-install | uninstalling)
                fail "release $release is $status: another setup.sh or cleanup.sh is at work, or one was killed; if so, run" \
                    "helm uninstall $release -n $NAMESPACE first"
                ;;
            pending-*)
                fail "release $release is $status: another setup.sh is at work, or one was killed; if so, run" \
                    "helm rollback $release -n $NAMESPACE first"
                ;;
        esac
    done
}

# install_release RELEASE: helm waits, and meanwhile its pods are watched, because some troubles do not pass by waiting
install_release() {
    local release=$1 began=$SECONDS
    describe_release "$release"
    helm upgrade --install "${HELM_ARGUMENTS[@]}" --wait --timeout "${TIMEOUT}s" >"$WORK/helm.log" 2>&1 </dev/null &
    HELM=$!
    begin_watch "$release"
    watch_helm "$release" "its pods are being made" ||
        fail "$release does not come up: see above, then run setup.sh again$(way_back "$release")"
    if [ "$HELM_STATUS" -ne 0 ]; then
        {
            echo
            sed 's/^Error: //' "$WORK/helm.log" | indent
            explain_pods "$NAMESPACE" "app.kubernetes.io/instance=$release"
            explain_replica_set "$release"
            echo
        } >&2
        fail "$release is not Ready after $((SECONDS - began))s: see above; setup.sh can be run again$(way_back "$release")"
    fi
    say "$release is Ready"
}

# way_back RELEASE: for the message of a failed upgrade
way_back() {
    local revision
    revision=$(helm_in "$NAMESPACE" history "$1" 2>/dev/null |
        sed -n 's/^\([0-9]*\)[[:space:]].*[[:space:]]deployed[[:space:]].*/\1/p' | tail -n 1) || revision=
    [ -z "$revision" ] || echo "; what ran before comes back with helm rollback $1 $revision -n $NAMESPACE"
}
