#!/bin/sh
# What needs no test to be seen: lint.sh STATICCHECK. Every check is made, and fails for itself.
set -u

staticcheck=$1
failed=0

complain() {
    echo "lint: $*" >&2
    failed=1
}

# The cache has what others wrote.
sources() {
    find . -name .cache -prune -o -type f \( -name '*.go' -o -name '*.sh' \) -print | sort
}

# One concept a file. These tests are older than the check; a name goes when its file has been split.
long='
./otelpool/defects_test.go
./otelpool/log_test.go
./otelpool/outage_test.go
./otelpool/shutdown_test.go
./otelpool/telemetry_test.go
./tracer/misuse_test.go
./tracer/traps_test.go
'

check_length() {
    for file in $(sources); do
        lines=$(wc -l <"$file")
        case "$long" in
        *"
$file
"*) [ "$lines" -gt 300 ] || complain "$file fits in 300 lines: take it off the list in lint.sh" ;;
        *) [ "$lines" -le 300 ] || complain "$file has $lines lines, and 300 are the most" ;;
        esac
    done
    for file in $long; do
        [ -f "$file" ] || complain "$file is gone: take it off the list in lint.sh"
    done
}

check_format() {
    unformatted=$(sources | grep '\.go$' | xargs gofmt -l) || complain "gofmt fails"
    [ -z "$unformatted" ] || complain "gofmt -w needed:" $unformatted
}

check_module() {
    cd "$1" &&
        go mod tidy -diff &&
        go vet ./... &&
        go run "$staticcheck" ./...
}

check_length
check_format
for module in $(find . -name .cache -prune -o -name go.mod -print | sort); do
    (check_module "$(dirname "$module")") || complain "$(dirname "$module") fails"
done
exit $failed
