# Ends a server and removes its directory once the owner's end of our standard input is closed. After an orderly Close
# nothing is left to do. $1 is the directory.

dir=$1

# Whatever ends the owner may reach us too, a moment before; stay until it is gone.
trap '' HUP INT TERM

read -r _ # never gets a line, only the end of file
[ -d "$dir" ] || exit 0

# The server's processes, and initdb's. On Linux by their working directory, which finds also those whose postmaster has
# gone; elsewhere by their parent.
members() {
    if [ -d /proc/self/cwd ]; then
        for process in /proc/[0-9]*; do
            if [ "$process/cwd" -ef "$dir" ] || [ "$process/cwd" -ef "$dir/data" ]; then
                echo "${process#/proc/}"
            fi
        done
    elif read -r postmaster <"$dir/data/postmaster.pid"; then
        ps -A -o pid= -o ppid= | while read -r pid parent; do
            if [ "$pid" = "$postmaster" ] || [ "$parent" = "$postmaster" ]; then
                echo "$pid"
            fi
        done
    fi
}

signal() {
    for pid in $(members); do
        kill -s "$1" "$pid"
    done
}

# The immediate shutdown first, which lets the server return its shared memory; it may be paused.
signal QUIT
signal CONT
tries=0
while [ -n "$(members)" ] && [ $tries -lt 50 ]; do
    sleep 0.1
    tries=$((tries + 1))
done
signal KILL
ipcrm -m "$(sed -n '7s/.* //p' "$dir/data/postmaster.pid")" # what a killed server could not return; mostly nothing
rm -rf "$dir"
