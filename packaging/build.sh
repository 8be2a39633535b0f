#!/bin/sh
# Builds what is handed out into dist/: packaging/build.sh [VERSION]
set -eu
cd "$(dirname "$0")/.."
exec go run ./packaging "$@"
