#!/bin/sh
# Builds the page: needs Go and npm. The result, dist, is committed; with --check
# it is compared to what is built now, and stays as it is.
set -eu
cd "$(dirname "$0")"
was=
if [ "${1:-}" = --check ]; then
	was=$(mktemp -d)
	cp -R dist/. "$was"
fi
(cd web && npm ci --no-audit --no-fund --silent && npx tsc)
(cd build && go run .)
if [ -n "$was" ]; then
	status=0
	diff -rq "$was" dist || status=1
	cp -R "$was"/. dist
	rm -r "$was"
	[ $status = 0 ] || echo "lab/page/dist is not what lab/page/web makes: run lab/page/build.sh and commit it" >&2
	exit $status
fi
wc -c dist/*
