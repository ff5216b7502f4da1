# shellcheck shell=bash disable=SC2034,SC2153 # the files of deploy/ share their variables
# The manifests in strimzi/, for the cluster that the user named. Sourced, not run.

STRIMZI_API=kafka.strimzi.io
KAFKAS=kafkas.$STRIMZI_API
POOLS=kafkanodepools.$STRIMZI_API
TOPICS=kafkatopics.$STRIMZI_API
USERS=kafkausers.$STRIMZI_API

# manifest FOLDER: what kustomize makes of strimzi/FOLDER; data-on-eks is nothing but the cluster's name there
manifest() {
    local alone=$CLUSTER_NAME
    case $CLUSTER_NAME in
        # What YAML would take for a number or a word of its own
        [0-9]* | y | n | yes | no | on | off | true | false | null) alone=\"$CLUSTER_NAME\" ;;
    esac
    kubectl kustomize "$ROOT/strimzi/$1" | sed -e "s/: data-on-eks$/: $alone/" -e "s/data-on-eks/$CLUSTER_NAME/g"
}

# names KIND: the names of that kind among the manifests on standard input, one per line
names() {
    local line kind='' name=''
    while IFS= read -r line; do
        case $line in
            ---) kind='' name='' ;;
            "kind: "*) kind=${line#kind: } ;;
            "  name: "*) [ -n "$name" ] || name=${line#  name: } ;;
            *) continue ;;
        esac
        if [ "$kind" = "$1" ] && [ -n "$name" ]; then
            echo "$name"
            kind=''
        fi
    done
}

# document NAME: the one of that name among the manifests on standard input
document() {
    local line text='' found=''
    while IFS= read -r line; do
        if [ "$line" = --- ]; then
            [ -z "$found" ] || break
            text=''
            continue
        fi
        text=$text$line$'\n'
        [ "$line" != "  name: $1" ] || found=yes
    done
    [ -z "$found" ] || printf '%s' "$text"
}
