# shellcheck shell=bash disable=SC2034,SC2153 # the files of deploy/ share their variables
# Checks of what the user wrote after an option; each refuses a bad value before anything is touched. Sourced, not run.

# needs_value OPTION [VALUE ...]: the rest of the command line, which must begin with an option and its value
needs_value() {
    [ $# -ge 2 ] || refuse "$1 needs a value (--help explains)"
    case $2 in
        "") refuse "$1 needs a value that is not empty" ;;
        --*) refuse "$1 needs a value, not the option $2" ;;
    esac
}

# check_name OPTION VALUE: what Kubernetes takes as the name of a namespace or a service
check_name() {
    [[ $2 =~ ^[a-z0-9]([a-z0-9-]*[a-z0-9])?$ && ${#2} -le 63 ]] ||
        refuse "$1=$2: expected lower-case letters, digits and hyphens, at most 63, such as data-on-eks"
}

# seconds_of DURATION: prints the whole seconds that 90s, 10m, 1h or 1d says; fails for anything else
seconds_of() {
    local number unit
    [[ $1 =~ ^([0-9]{1,9})(ms|s|m|h|d)$ ]] || return 1
    number=$((10#${BASH_REMATCH[1]})) unit=${BASH_REMATCH[2]}
    case $unit in
        ms)
            [ $((number % 1000)) -eq 0 ] || return 1
            echo $((number / 1000))
            ;;
        s) echo "$number" ;;
        m) echo $((number * 60)) ;;
        h) echo $((number * 3600)) ;;
        d) echo $((number * 86400)) ;;
    esac
}

# milliseconds_of DURATION: the same for any duration of the apps
milliseconds_of() {
    if [[ $1 =~ ^([0-9]{1,12})ms$ ]]; then
        echo $((10#${BASH_REMATCH[1]}))
    else
        local seconds
        seconds=$(seconds_of "$1") || return 1
        echo $((seconds * 1000))
    fi
}

# check_window_size VALUE: as the processor's WINDOW_SIZE
check_window_size() {
    local seconds
    seconds=$(seconds_of "$1") || seconds=0
    [ "$seconds" -ge 1 ] && [ "$seconds" -le 86400 ] ||
        refuse "--window-size=$1: expected whole seconds from 1s to 1d, such as 30s, 5m or 1h"
}

# check_timeout VALUE
check_timeout() {
    local seconds
    seconds=$(seconds_of "$1") || seconds=0
    [ "$seconds" -ge 1 ] && [ "$seconds" -le 86400 ] ||
        refuse "--timeout=$1: expected a duration from 1s to 1d, such as 90s or 10m"
}

# check_rate VALUE: as the producer's RATE
check_rate() {
    local whole thousandths
    if [[ $1 =~ ^(0|[1-9][0-9]{0,5})(\.([0-9]{1,3}))?$ ]]; then
        whole=${BASH_REMATCH[1]} thousandths=${BASH_REMATCH[3]}000
        thousandths=$((10#$whole * 1000 + 10#${thousandths:0:3}))
        [ "$thousandths" -lt 1 ] || [ "$thousandths" -gt 100000000 ] || return 0
    fi
    refuse "--rate=$1: expected events per second from 0.001 to 100000, such as 10 or 0.5"
}

# check_registry VALUE: where images are, without scheme and without the images' own names
check_registry() {
    [[ $1 =~ ^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?(:[0-9]+)?(/[a-z0-9]+([._-]+[a-z0-9]+)*)*$ ]] ||
        refuse "--image-registry=$1: expected host[:port][/path] without https://, such as localhost or ghcr.io/example"
}

# check_tag VALUE
check_tag() {
    [[ $1 =~ ^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$ ]] ||
        refuse "--image-tag=$1: expected an image's tag, such as 0.1.0 (a digest is image.digest in a file for --values)"
}
