# shellcheck shell=bash disable=SC2034,SC2153 # the files of deploy/ share their variables
# The apps' users, where the listener asks for them. Sourced, not run.

# app_users: the manifests of the users of the apps to be installed; those of an optional app are in strimzi/OPTION
app_users() {
    local part
    manifest base/users
    for part in $PARTS; do
        echo ---
        manifest "$part"
    done
}

# user_manifests: for the listener's kind of authentication; without authorization there is nobody to keep ACLs
# (as JSON where something is changed: of several objects in YAML, kubectl leaves out what separates them)
user_manifests() {
    local changes=
    [ "$LISTENER_AUTHENTICATION" = scram-sha-512 ] ||
        changes='{"op":"replace","path":"/spec/authentication","value":{"type":"'$LISTENER_AUTHENTICATION'"}}'
    [ -n "$AUTHORIZES" ] || changes=${changes:+$changes,}'{"op":"remove","path":"/spec/authorization"}'
    if [ -z "$changes" ]; then
        app_users
    else
        app_users | kubectl patch --local -f - --type=json -p "[$changes]" -o json
    fi
}

# create_users: and wait until they and so their Secrets are there
create_users() {
    local manifests name cluster users=()
    if [ "$KAFKA" = missing ]; then
        say "Would create the users $(app_users | names KafkaUser | tr '\n' ' ')"
        return 0
    elif [ "$LISTENER_AUTHENTICATION" = none ]; then
        say "No users: listener $LISTENER asks for none"
        return 0
    fi
    check_rights "create the apps' users" get "$USERS" create "$USERS" patch "$USERS"
    manifests=$(user_manifests)
    while IFS= read -r name; do
        users+=("$name")
        cluster=$(kube get "$USERS" "$name" --ignore-not-found -o 'jsonpath={.metadata.labels.strimzi\.io/cluster}')
        [ "${cluster:-$CLUSTER_NAME}" = "$CLUSTER_NAME" ] ||
            fail "KafkaUser $name in namespace $NAMESPACE belongs to Kafka $cluster, not to $CLUSTER_NAME: use" \
                "--cluster-name $cluster, or another namespace"
    done < <(app_users | names KafkaUser)
    if [ -n "$DRY_RUN" ]; then
        kube apply --dry-run=server -f - <<<"$manifests" >/dev/null
        say "Would create or update the users ${users[*]}"
        return 0
    fi
    kube apply -f - <<<"$manifests" >/dev/null
    wait_until_ready "$USERS" "${users[@]}"
    say "Users are Ready: ${users[*]}"
}
