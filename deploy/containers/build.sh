#!/bin/sh
# Builds the images with Docker, Podman or Buildah, whichever is there; docs/deployment/containers.md, Images.
#   build.sh                     chestline/portal and chestline/worker
#   build.sh worker-gpu          another one: portal, worker, worker-gpu or worker-tensorflow
# Read from the environment:
#   ENGINE                       docker, podman or buildah
#   BUILD_CA                     certificates to trust (PEM), where a proxy decrypts or a mirror has its own
#   BUILD_PIP_CONF, BUILD_NPMRC  pip.conf and .npmrc that name the hospital's mirrors
#   BUILD_OPTIONS                further options of the engine's build, such as "--pull --no-cache"
# None of these files gets into an image.
set -eu
cd "$(dirname "$0")/../.."

[ $# -gt 0 ] || set -- portal worker
for name in "$@"; do
    case $name in
    portal | worker | worker-gpu | worker-tensorflow) ;;
    *)
        sed -n '3,4s/^#//p' "$0" >&2
        exit 2
        ;;
    esac
done
names=$*

for engine in ${ENGINE:-docker podman buildah}; do
    if "$engine" info >/dev/null 2>&1; then break; fi
    engine=
done
if [ -z "${engine-}" ]; then
    echo "No container engine answers: ${ENGINE:-docker, podman or buildah}" >&2
    exit 1
fi

# shellcheck disable=SC2086  # several words
set -- build ${BUILD_OPTIONS-}
# Podman's own format has no health checks.
[ "$engine" = docker ] || set -- "$@" --format docker
[ -z "${BUILD_CA-}" ] || set -- "$@" --secret "id=ca,src=$BUILD_CA"
[ -z "${BUILD_PIP_CONF-}" ] || set -- "$@" --secret "id=pip.conf,src=$BUILD_PIP_CONF"
[ -z "${BUILD_NPMRC-}" ] || set -- "$@" --secret "id=npmrc,src=$BUILD_NPMRC"

version=$(sed -n 's/^version = "\(.*\)"$/\1/p' pyproject.toml)
pins=$(grep -e ^PYTHON_IMAGE= -e ^NODE_IMAGE= deploy/compose/.env 2>/dev/null || true)
for name in $names; do
    (
        file=${name%%-*}
        # Only those that the Dockerfile declares.
        for pin in $pins; do
            if grep -q "^ARG ${pin%%=*}=" "deploy/containers/$file.Dockerfile"; then
                set -- "$@" --build-arg "$pin"
            fi
        done
        case $name in
        worker-gpu) set -- "$@" --build-arg EXTRA=gpu ;;
        worker-tensorflow) set -- "$@" --build-arg EXTRA=worker-tensorflow ;;
        esac
        echo "$engine: chestline/$name:$version"
        "$engine" "$@" --file "deploy/containers/$file.Dockerfile" \
            --tag "chestline/$name" --tag "chestline/$name:$version" .
    )
done
