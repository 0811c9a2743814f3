# check: what must hold before a commit    test: what the README promises
# long: the tests that take an hour        fuzz: ten minutes for each parser
# bench: Kith beside its peers             cover: what no test runs
check:
	sh tools/check.sh
test:
	go test ./...
long:
	KITH_LONG=1 go test -timeout 150m ./...
fuzz:
	sh tools/fuzz.sh 10m
bench:
	cd bench && go run ./cmd/bench
cover:
	go test -coverprofile=cover.out ./... && go tool cover -func=cover.out
.PHONY: check test long fuzz bench cover
