#!/bin/sh
# Pins the images of others (Python, Node.js, PostgreSQL, Valkey, Caddy) to what their registry has now: asks it
# with skopeo or Docker, and writes NAME=image@sha256:… into deploy/compose/.env, which Compose and build.sh read.
# To take one from a registry of yours, write its NAME=registry.hospital.example/… into that file first.
set -eu
cd "$(dirname "$0")/.."
settings=compose/.env

digest() {
    if command -v skopeo >/dev/null; then
        skopeo inspect --no-tags --format '{{.Digest}}' "docker://$1"
    else
        docker buildx imagetools inspect --format '{{.Manifest.Digest}}' "$1"
    fi
}

# The names, and what they stand for where nothing is pinned.
defaults=$(sed -n 's/^ARG \([A-Z]*_IMAGE\)=\(.*\)$/\1 \2/p; s/^ *image: \${\([A-Z]*_IMAGE\):-\(.*\)}$/\1 \2/p' \
    containers/*.Dockerfile compose/compose*.yaml | sort -u)
pins=
while read -r name image; do
    chosen=$(sed -n "s/^$name=//p" "$settings" 2>/dev/null | tail -n 1)
    image=${chosen:-$image}
    image=${image%@*}
    found=$(digest "$image")
    case $found in
    sha256:*) ;;
    *)
        echo "The registry named no digest of $image." >&2
        exit 1
        ;;
    esac
    pins="$pins$name=$image@$found
"
done <<END
$defaults
END
# Only now, so that a registry that does not answer changes nothing.
others=$(grep -v '^[A-Z]*_IMAGE=' "$settings" 2>/dev/null || true)
# With the permissions of what it replaces: other settings in it may be secret.
[ ! -e "$settings" ] || cp -p "$settings" "$settings.new"
printf '%s%s' "${others:+$others
}" "$pins" > "$settings.new"
mv "$settings.new" "$settings"
printf %s "$pins"
