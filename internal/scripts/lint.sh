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

# One concept a file.
check_length() {
    for file in $(sources); do
        lines=$(wc -l <"$file")
        [ "$lines" -le 300 ] || complain "$file has $lines lines, and 300 are the most"
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
