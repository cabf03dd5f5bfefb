#!/bin/sh
# Makes sure that a tool the tests need is there: deps.sh postgres|compiler|prometheus|node|clients|valgrind …
#
# On Debian and Ubuntu it installs the distribution's package, as root or by a sudo that asks for no password. Elsewhere it
# says in one line what to install, and fails. It never asks a question, and starts no service.
set -eu

fail() {
    echo "deps: $*" >&2
    exit 1
}

# The server's programs, where internal/testing/postgres/binaries.go looks for them.
have_postgres() {
    for initdb in "$(command -v initdb || :)" /usr/lib/postgresql/*/bin/initdb /usr/pgsql-*/bin/initdb \
        /usr/libexec/postgresql*/initdb /opt/homebrew/opt/postgresql*/bin/initdb /usr/local/opt/postgresql*/bin/initdb \
        /usr/local/pgsql/bin/initdb /Library/PostgreSQL/*/bin/initdb /Applications/Postgres.app/*/*/bin/initdb; do
        [ -x "$initdb" ] && return 0
    done
    return 1
}

# The race detector needs cgo: a C compiler and the C library's headers. Without the latter a compiler alone is no use.
have_compiler() {
    command -v "${CC:-gcc}" >/dev/null &&
        echo '#include <stdlib.h>' | "${CC:-gcc}" -x c -E - >/dev/null 2>&1
}

have_prometheus() {
    command -v prometheus >/dev/null && command -v promtool >/dev/null
}

have_node() {
    command -v node >/dev/null
}

have_npm() {
    command -v npm >/dev/null
}

# What the runbooks have people type.
have_clients() {
    command -v bash >/dev/null && command -v curl >/dev/null && command -v openssl >/dev/null
}

have_valgrind() {
    command -v valgrind >/dev/null
}

# need TOOL ADVICE PACKAGE …
need() {
    tool=$1 advice=$2
    shift 2
    "have_$tool" && return 0
    command -v apt-get >/dev/null || fail "$advice"
    if [ "$(id -u)" = 0 ]; then
        install "$@"
    elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
        sudo -n sh "$0" --install "$@"
    else
        fail "$advice"
    fi
    "have_$tool" || fail "$* is installed, yet $tool is not found; $advice"
}

# install PACKAGE …, as root.
install() {
    echo "deps: installing $*" >&2
    trap undo EXIT
    trap 'exit 1' HUP INT TERM
    forbid_services
    log=$(mktemp)
    # The package lists may be missing, as in a container, or so old that their packages are gone.
    apt_install "$@" >"$log" 2>&1 ||
        { apt-get update -qq && apt_install "$@"; } >"$log" 2>&1 ||
        { cat "$log" >&2 && fail "apt-get could not install $*"; }
    rm -f "$log"
    undo
}

apt_install() {
    DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
        -o DPkg::Lock::Timeout=120 -o Dpkg::Options::=--force-confold "$@" </dev/null
}

# Only programs are wanted: no service on a well-known port, and no PostgreSQL cluster. Both ways of saying so are Debian's
# own, and for the time of the installation only.
policy=/usr/sbin/policy-rc.d
no_cluster=/etc/postgresql-common/createcluster.d/otelpool.conf
made_policy=

forbid_services() {
    if [ ! -e $policy ]; then
        made_policy=yes
        printf '#!/bin/sh\nexit 101\n' >$policy
        chmod 755 $policy
    fi
    mkdir -p "${no_cluster%/*}"
    echo 'create_main_cluster = false' >$no_cluster
}

undo() {
    trap - EXIT
    [ -z "$made_policy" ] || rm -f $policy
    rm -f $no_cluster
    # Not started now, it would be at the next boot.
    if [ -d /run/systemd/system ]; then
        systemctl disable --quiet prometheus 2>/dev/null || :
    fi
}

if [ "${1:-}" = --install ]; then
    shift
    install "$@"
    exit
fi

for tool in "$@"; do
    case $tool in
    postgres)
        need postgres "PostgreSQL is not installed: apt-get install postgresql (Debian, Ubuntu), dnf install\
 postgresql-server (Fedora), apk add postgresql (Alpine), brew install postgresql@16 (macOS)" postgresql
        ;;
    compiler)
        need compiler "the race detector needs a C compiler: apt-get install gcc libc6-dev (Debian, Ubuntu),\
 dnf install gcc (Fedora), apk add build-base (Alpine), xcode-select --install (macOS)" gcc libc6-dev
        ;;
    prometheus)
        need prometheus "Prometheus is not installed: apt-get install prometheus (Debian, Ubuntu),\
 brew install prometheus (macOS), or https://prometheus.io/download/" prometheus
        ;;
    node)
        advice="Node.js or npm is not installed: apt-get install nodejs npm (Debian, Ubuntu), dnf install nodejs npm (Fedora),\
 apk add nodejs npm (Alpine), brew install node (macOS)"
        need node "$advice" nodejs
        need npm "$advice" npm # not with Debian's Node.js, but with that of others, which conflict with Debian's npm
        ;;
    clients)
        need clients "bash, curl or openssl is not installed: apt-get install bash curl openssl (Debian, Ubuntu), or the like" \
            bash curl openssl
        ;;
    valgrind)
        need valgrind "valgrind is not installed: apt-get install valgrind (Debian, Ubuntu), dnf install valgrind\
 (Fedora), apk add valgrind (Alpine)" valgrind
        ;;
    *) fail "unknown tool $tool" ;;
    esac
done
