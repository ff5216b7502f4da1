#!/usr/bin/env bash
# Builds the apps' images from the Dockerfile, with the first of docker, podman and buildah that works here.
set -euo pipefail

usage() {
    cat <<'TEXT'
Usage: make images [VARIABLE=value ...] [ARGS="option ..."]     (or deploy/images.sh [option ...])
       make pin-image                                           (or deploy/images.sh --pin)
       deploy/images.sh --list                                  prints the apps' names

Builds REGISTRY/clickstream-APP:TAG of each app in apps/. Options go to each build, such as --no-cache. With --push the
images go to the registry, for amd64 and arm64 where the builder can build both; otherwise nothing is pushed.

All are built on the same base image: a tag is resolved to its digest first, by docker's buildx or by skopeo, where one
of them is there. With --pin nothing is built; the digest is written into the Dockerfiles, to be committed, so that
every build has that base until it is pinned again.

  REGISTRY      where the images will live (localhost); 123456789012.dkr.ecr.eu-west-1.amazonaws.com/team
  TAG           their tag (the version in apps/core)
  PYTHON_IMAGE  the base image (the Dockerfile's: Python 3.11 on Debian), best with its digest, NAME:TAG@sha256:...;
                has to bring python and pip
  BUILDER       docker, podman or buildah (the first that works)
  PLATFORMS     linux/amd64, linux/arm64, or both with a comma (this machine's; with --push both where possible)
  REVISION      label: the commit (git's, with -dirty when files differ from it)
  SOURCE        label: where the source is (git's origin)
TEXT
}

# The apps, one per line: packages that have a command. The others are libraries; they are in the images of the apps
# that need them.
apps() {
    grep -l '^\[project\.scripts\]$' apps/*/pyproject.toml | cut -d/ -f2
}

fail() {
    printf 'images.sh: %s\n' "$1" >&2
    exit "${2:-1}"
}

# The builder can do more than print its version: a docker client without its daemon cannot.
works() {
    case $1 in
        docker) docker version --format '{{.Server.Version}}' ;;
        *) "$1" info ;;
    esac
}

# Prints the builder's name, or says of each why it is out.
choose_builder() {
    local candidate said reasons=''
    for candidate in ${BUILDER:-docker podman buildah}; do
        if ! command -v "$candidate" >/dev/null; then
            reasons+=$'\n'"  $candidate is not installed"
        elif said=$(works "$candidate" 2>&1 >/dev/null </dev/null); then
            echo "$candidate" && return
        else
            reasons+=$'\n'"  $candidate does not work: ${said##*$'\n'}"
        fi
    done
    [ -z "${BUILDER-}" ] || fail "BUILDER=$BUILDER can't build images here; without BUILDER, any that works is taken$reasons"
    fail "nothing here can build images; start docker's daemon, or install podman or buildah$reasons"
}

version() {
    sed -n 's/^__version__ = "\(.*\)"$/\1/p' apps/core/clickstream_core/__init__.py
}

# Origin as an address that a reader can open. One that is a path of this machine says nothing, and credentials stay here.
source_address() {
    local origin
    origin=$(git remote get-url origin 2>/dev/null) || return 0
    sed -nE -e 's#\.git/?$##' -e 's#^(ssh://)?git@([^:/]+)[:/]#https://\2/#' -e 's#^(https?://)([^/@]*@)?#\1#p' <<<"$origin"
}

# check_values REGISTRY TAG: exactly what the builders would refuse later, with a longer explanation
check_values() {
    local part='[a-z0-9]+([._-]+[a-z0-9]+)*'
    [[ $1 =~ ^$part(:[0-9]+)?(/$part)*$ ]] ||
        fail "REGISTRY=$1: expected a registry and perhaps a path, in lower case and without https://" 2
    [[ $2 =~ ^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$ ]] ||
        fail "TAG=$2: expected letters, digits and _ . -, at most 128, not beginning with . or -" 2
    [[ ${PLATFORMS-} =~ ^(linux/(amd64|arm64)(,linux/(amd64|arm64))?)?$ ]] ||
        fail "PLATFORMS=$PLATFORMS: expected linux/amd64, linux/arm64, or both with a comma" 2
    [[ ${BUILDER-} =~ ^(docker|podman|buildah)?$ ]] || fail "BUILDER=$BUILDER: expected docker, podman or buildah" 2
}

# both_platforms BUILDER: amd64 and arm64, if the builder says that it can build both here; else nothing and a warning
both_platforms() {
    local said=''
    case $1 in
        docker) said=$(docker buildx inspect --bootstrap 2>/dev/null </dev/null) ;;
        podman) said=$(podman info --format 'linux/{{.Host.Arch}} {{.Host.EmulatedArchitectures}}' 2>/dev/null) ;;
    esac || said=''
    # Without containerd's image store the driver "docker" builds for one platform at a time.
    if [[ $said =~ Driver:\ +docker($'\n'|$) && $(docker info --format '{{.DriverStatus}}') != *containerd* ]]; then said=''; fi
    if [[ $said == *linux/amd64* && $said == *linux/arm64* ]]; then echo linux/amd64,linux/arm64 && return; fi
    echo "images.sh: for this machine's architecture only: $1 does not say that it can build for amd64 and arm64 here;" \
        "PLATFORMS=linux/amd64,linux/arm64 makes it try" >&2
}

# The base image that the Dockerfile names
base_image() {
    sed -n 's/^ARG PYTHON_IMAGE=//p' Dockerfile
}

# digest_of IMAGE: that of the tag, for all its platforms; nothing where it can't be found out
digest_of() {
    local digest=''
    if command -v docker >/dev/null; then
        digest=$(docker buildx imagetools inspect --format '{{.Manifest.Digest}}' "$1" 2>/dev/null </dev/null) || digest=''
    fi
    if [ -z "$digest" ] && command -v skopeo >/dev/null; then
        digest=$(skopeo inspect --no-tags --format '{{.Digest}}' "docker://$1" 2>/dev/null </dev/null) || digest=''
    fi
    [[ ! $digest =~ ^sha256:[0-9a-f]{64}$ ]] || echo "$digest"
}

# pinned IMAGE: the image with its digest; without one as it is, and a warning
pinned() {
    local digest
    case $1 in *@sha256:*) echo "$1" && return ;; esac
    digest=$(digest_of "$1")
    [ -n "$digest" ] ||
        echo "images.sh: the digest of $1 can't be found out here (by docker buildx or skopeo), so what the tag means" \
            "today is taken; PYTHON_IMAGE=$1@sha256:... pins it" >&2
    echo "$1${digest:+@$digest}"
}

# Write the digest of the base image into the Dockerfiles.
pin() {
    local image=${PYTHON_IMAGE:-$(base_image)} digest file changed
    image=${image%@*}
    digest=$(digest_of "$image")
    [ -n "$digest" ] || fail "the digest of $image can't be found out here: it needs docker with buildx, or skopeo, and the registry"
    for file in Dockerfile deploy/lambda/Dockerfile; do
        changed=$(sed "s#^ARG PYTHON_IMAGE=.*#ARG PYTHON_IMAGE=$image@$digest#" "$file")
        printf '%s\n' "$changed" >"$file"
    done
    echo "Pinned $image@$digest in Dockerfile and deploy/lambda/Dockerfile: see git diff, and commit it"
}

main() {
    local registry tag builder platforms base app image argument sizes push='' options=() images=() began=$SECONDS
    local build send name=--tag list='' # the last two for images of several platforms, which podman and buildah keep as a list
    cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.."
    case ${1-} in
        -h | --help) usage && return ;;
        --list) apps && return ;;
        --pin) pin && return ;;
    esac
    for argument in "$@"; do
        if [ "$argument" = --push ]; then push=yes; else options+=("$argument"); fi
    done

    registry=${REGISTRY:-localhost} tag=${TAG:-$(version)} platforms=${PLATFORMS-}
    check_values "$registry" "$tag"
    [ -z "$push" ] || [ "$registry" != localhost ] || fail "--push needs a REGISTRY to push to" 2
    builder=$(choose_builder)
    [ -z "$push" ] || [ -n "$platforms" ] || platforms=$(both_platforms "$builder")
    send=("$builder" push)
    case $builder in
        docker) build=(docker ${push:+buildx} build ${push:+--push}) ;;
        podman) build=(podman build) ;;
        buildah) build=(buildah bud --layers) ;; # without --layers it forgets every step
    esac
    if [[ $platforms == *,* && $builder != docker ]]; then
        name=--manifest list=docker:// send=("$builder" manifest push --all)
    fi
    base=$(pinned "${PYTHON_IMAGE:-$(base_image)}")
    build+=(${platforms:+--platform "$platforms"} --build-arg "PYTHON_IMAGE=$base" --build-arg "VERSION=$(version)"
        --build-arg "REVISION=${REVISION:-$(git describe --always --exclude '*' --abbrev=40 --dirty 2>/dev/null || echo unknown)}"
        --build-arg "SOURCE=${SOURCE:-$(source_address)}")
    echo "On $base${platforms:+, for $platforms}"

    for app in $(apps); do
        image=$registry/clickstream-$app:$tag
        echo "Building $image with $builder"
        # A list of that name would be added to, and an image be in the way of one.
        [ -z "$list" ] || { "$builder" manifest rm "$image" || "$builder" rmi "$image" || true; } >/dev/null 2>&1 </dev/null
        "${build[@]}" --build-arg "APP=$app" "$name" "$image" ${options[@]+"${options[@]}"} . </dev/null ||
            fail "$builder did not build $image: the lines above say why"
        [ -z "$push" ] || [ "$builder" = docker ] || "${send[@]}" "$image" ${list:+"$list$image"} </dev/null ||
            fail "$builder did not push $image: the lines above say why"
        images+=("$image")
    done

    printf '\nBuilt%s with %s in %s s:\n' "${push:+ and pushed}" "$builder" "$((SECONDS - began))"
    for image in "${images[@]}"; do
        sizes=$([ -n "$push" ] || "$builder" images --format '{{.Size}}' "$image") # one for each name of the same image
        printf '  %-60s %s\n' "$image" "${sizes%%$'\n'*}"
    done
    [ -z "$push" ] && [ "$registry" != localhost ] || return 0
    printf '\nSend them to the registry, or build with --push:\n'
    for image in "${images[@]}"; do echo "  ${send[*]} $image${list:+ $list$image}"; done
}

main "$@"
