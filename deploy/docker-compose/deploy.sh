#!/usr/bin/env bash
# Builds Hecate's image, stands the cluster up and waits until every service answers.
#   deploy.sh          build, start, wait
#   deploy.sh down     stop it and remove what it kept
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

compose() {
    if docker compose version >/dev/null 2>&1; then docker compose "$@"; else docker-compose "$@"; fi
}

await() {
    local name=$1 url=$2
    printf 'waiting for %s at %s ' "$name" "$url"
    for _ in $(seq 90); do
        if curl -fsS -o /dev/null -m 2 "$url" 2>/dev/null; then
            echo "- it answers"
            return
        fi
        printf .
        sleep 2
    done
    echo
    echo "$name does not answer after three minutes; the end of its log:" >&2
    compose logs --tail 20 "$name" >&2
    exit 1
}

case "${1:-}" in
"")
    docker info >/dev/null 2>&1 || { echo "there is no Docker engine that can be used" >&2; exit 1; }
    compose build hecate
    size=$(docker image inspect --format '{{.Size}}' "hecate:${HECATE_VERSION:-0.1.0}")
    echo "the image has $((size / 1000000)) MB"
    compose up -d sns dynamodb
    compose run --rm prepare
    compose up -d argus
    await argus http://127.0.0.1:6602/health
    compose up -d hecate caduceus tr1d1um prometheus
    await hecate http://127.0.0.1:6702/ready
    await caduceus http://127.0.0.1:6001/health
    await tr1d1um http://127.0.0.1:6101/health
    await prometheus http://127.0.0.1:9090/-/ready
    echo "the cluster is up; README.md says how to walk through it. Hecate's page is http://127.0.0.1:6702/"
    ;;
down) compose down --volumes ;;
*)
    echo "usage: $0 [down]" >&2
    exit 2
    ;;
esac
