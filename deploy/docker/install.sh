#!/bin/sh
# install.sh: what the program needs in Debian's slim image beside itself: the libraries it is linked with, and a user without rights.
set -eu
export DEBIAN_FRONTEND=noninteractive
apt-get update
apt-get install -y --no-install-recommends libssl3 libsqlite3-0 libyaml-0-2 zlib1g libre2-9
rm -rf /var/lib/apt/lists/* /var/log/apt /var/log/dpkg.log /var/cache/debconf/*-old
groupadd --gid 10001 hecate
useradd --uid 10001 --gid 10001 --no-create-home --home-dir /var/lib/hecate --shell /usr/sbin/nologin hecate
install -d -o 10001 -g 10001 -m 0750 /var/lib/hecate
