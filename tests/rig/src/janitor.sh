# The rig's janitor. stdin: "+PID" for a process group to end, "-PID" for one
# that has ended. $1: the run's folder. $2: "remove" it or "keep" it at the end.
trap '' INT TERM HUP
pids=' '
while read -r line; do
  pid=${line#?}
  case $line in
    +*) pids="$pids$pid " ;;
    -*) case $pids in *" $pid "*) pids="${pids%% "$pid" *} ${pids#* "$pid" }" ;; esac ;;
  esac
done
for pid in $pids; do
  kill -s KILL -- "-$pid" 2>/dev/null
done
[ "$2" = keep ] && exit 0
# A process that was just killed may finish a write and so fill a folder again.
tries=0
until rm -rf -- "$1" 2>/dev/null || [ "$tries" -ge 50 ]; do
  tries=$((tries + 1))
  sleep 0.1
done
