#!/bin/sh
# build.sh SOURCE TARGET: builds the program for an image: Swift's libraries inside it, nothing exported, stripped. It builds in a folder of its
# own, so that one's other builds stay as they are.
set -eu
mkdir -p "$2"
target=$(cd "$2" && pwd)
cd "$1"
build() {
    swift build -c release --static-swift-stdlib --product hecate --scratch-path .build-static \
        -Xlinker --no-export-dynamic -Xlinker --exclude-libs=ALL "$@"
}
build
strip -s -o "$target/hecate" "$(build --show-bin-path)/hecate"
