#!/bin/sh
# build.sh SOURCE TARGET: builds the program for an image, Swift's libraries inside it, and strips it.
set -eu
cd "$1"
swift build -c release --static-swift-stdlib --product hecate --scratch-path "${HECATE_SCRATCH:-.build}"
mkdir -p "$2"
strip -s -o "$2/hecate" "$(swift build -c release --static-swift-stdlib --product hecate --scratch-path "${HECATE_SCRATCH:-.build}" --show-bin-path)/hecate"
