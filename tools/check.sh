#!/bin/sh
# Vet, staticcheck, gofumpt, the build for other systems, and the race detector.
set -eu
cd "$(dirname "$0")/.."
go vet ./...
for os in windows darwin; do
	GOOS=$os CGO_ENABLED=0 go vet ./...
	GOOS=$os CGO_ENABLED=0 go build ./...
done
go -C tools build -o "${TMPDIR:-/tmp}/kith-tools/" honnef.co/go/tools/cmd/staticcheck mvdan.cc/gofumpt
"${TMPDIR:-/tmp}/kith-tools/staticcheck" ./...
bad=$("${TMPDIR:-/tmp}/kith-tools/gofumpt" -l $(git ls-files '*.go'))
if [ -n "$bad" ]; then
	echo "not formatted with gofumpt:" "$bad"
	exit 1
fi
if ! git diff --exit-code -- go.mod go.sum; then
	echo "go.mod or go.sum changed while building"
	exit 1
fi
CGO_ENABLED=1 go test -race ./...
