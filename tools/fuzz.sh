#!/bin/sh
# Runs every fuzz target for a while: sh tools/fuzz.sh 10s
set -eu
cd "$(dirname "$0")/.."
for dir in $(git ls-files '*_test.go' | xargs grep -l '^func Fuzz' | xargs -n1 dirname | sort -u); do
	[ -f "$dir/go.mod" ] && continue
	case $dir in bench*) continue ;; esac
	for target in $(grep -ho '^func Fuzz[A-Za-z0-9_]*' "$dir"/*_test.go | cut -c6-); do
		echo "fuzz $dir $target"
		go test -run '^$' -fuzz "^$target\$" -fuzztime "$1" "./$dir"
	done
done
