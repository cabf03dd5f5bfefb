.DEFAULT_GOAL := help

# The race detector needs cgo, whatever the environment says.
RACE := CGO_ENABLED=1 go test -race

.PHONY: help
help: ## show this list
	@awk 'BEGIN { FS = ":.*## " } /^[a-z0-9-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: demo
demo: deps-postgres ## work a throwaway PostgreSQL and watch its pool live (20 s when not in a terminal)
	@if [ -t 0 ] && [ -t 1 ]; then go run ./examples/demo; else go run ./examples/demo -for 20s; fi

.PHONY: demo-once
demo-once: deps-postgres ## break it in four ways and see each explained, in under a minute
	go run ./examples/demo -once

.PHONY: test
test: deps-postgres deps-compiler ## check format and vet, run every test of the root module under the race detector
	@unformatted=$$(gofmt -l .); if [ -n "$$unformatted" ]; then echo "gofmt -w needed:"; echo "$$unformatted"; exit 1; fi
	go vet ./...
	$(RACE) ./...

.PHONY: bench
bench: deps-postgres ## measure everything beside others, print what is promised, write docs/performance.md (20 minutes)
	go run ./internal/bench/report

.PHONY: bench-hour
bench-hour: deps-postgres ## run a service's worth of everything for an hour and show that nothing grows
	go run ./internal/bench/soak

.PHONY: bench-check
bench-check: deps-valgrind ## count the hook's instructions and allocations, fail where they grew (UPDATE=1 records them)
	go run ./internal/bench/check $(if $(UPDATE),-update)

.PHONY: faults
faults: deps-postgres ## break real pools and servers in every known way and check what is said (prints the matrix)
	cd internal/e2e && go test -count=1 -v -timeout 20m ./faults

# Not a dependency of go.mod: a linter's own dependencies are no business of the library's users.
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2

.PHONY: lint
lint: ## check format, length of files, go.mod, go vet and staticcheck, of every module
	@sh internal/scripts/lint.sh $(STATICCHECK)

# -count=1: the test cache does not see the programs and configurations that these tests run. The faults come by themselves: a
# machine that is busy with other tests would be slow, and be called so.
.PHONY: e2e
e2e: deps-postgres deps-e2e bench-check ## test against a real Collector and Prometheus (builds the Collector: minutes, the first time)
	cd internal/e2e && go test -count=1 -timeout 30m $$(go list ./... | grep -v /faults$$)
	cd internal/e2e && go test -count=1 -timeout 30m ./faults

.PHONY: docs
docs: deps-postgres ## regenerate the tables in README.md and docs/
	go test ./otelpool ./healthcheck -run TestGeneratedDocumentation_IsUpToDate -update

.PHONY: clean
clean: ## remove what builds, benchmarks and profiles left in the tree
	rm -rf bin .cache .benchstat
	find . -type f \( -name '*.test' -o -name '*.out' -o -name '*.prof' \) -delete

# What a fresh machine lacks. On Debian and Ubuntu it is installed where we may; else one line says what to install.
.PHONY: deps-postgres deps-compiler deps-e2e deps-valgrind
deps-postgres:
	@sh internal/scripts/deps.sh postgres

deps-compiler:
	@sh internal/scripts/deps.sh compiler

deps-e2e:
	@sh internal/scripts/deps.sh prometheus
	@sh internal/scripts/deps.sh node
	@sh internal/scripts/deps.sh clients

deps-valgrind:
	@sh internal/scripts/deps.sh valgrind
