#!/bin/bash
# A search on the nodes of a Slurm job, PostgreSQL on the first of them.
#
#   umask 077; echo "*:5432:nas:nas:$(openssl rand -hex 16)" > ~/.pgpass
#   sbatch deploy/slurm.sh --trials 500 --gpus-per-trial 0.25
#
# Its arguments are those of nas search. NAS_WORK, a folder that all nodes share, holds the database's
# files between jobs, checkpoints and the data set; a job that is requeued carries the study on.
#SBATCH --job-name=nas
#SBATCH --nodes=4
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=16
#SBATCH --gpus-per-task=4
#SBATCH --time=12:00:00
#SBATCH --requeue
#SBATCH --open-mode=append
# so that the search can end in order: to the shell, two minutes before the time is over
#SBATCH --signal=B:TERM@120
set -euo pipefail
umask 077

work=${NAS_WORK:-$HOME/nas}
mkdir -p "$work"
export PGPASSFILE=${PGPASSFILE:-$HOME/.pgpass}
export RAY_AUTH_MODE=token RAY_AUTH_TOKEN_PATH=$work/auth_token
test -s "$RAY_AUTH_TOKEN_PATH" || openssl rand -hex 32 > "$RAY_AUTH_TOKEN_PATH"

mapfile -t nodes < <(scontrol show hostnames "$SLURM_JOB_NODELIST")
head=${nodes[0]}
port=$((20000 + SLURM_JOB_ID % 10000)) # another job's cluster may be on the node

# This script runs on the first node. Its data on a local disk or a file system that PostgreSQL may use.
database=$work/postgresql
if [[ ! -d $database ]]; then
    initdb --pgdata "$database" --username nas --auth scram-sha-256 \
        --pwfile <(cut -d: -f5 "$PGPASSFILE")
fi
sockets=$(mktemp -d)
pg_ctl start --wait --pgdata "$database" --log "$work/postgresql.log" \
    --options "-c listen_addresses=localhost -c unix_socket_directories=$sockets"

finish() {
    pg_ctl stop --wait --mode fast --pgdata "$database"
    rm -r "$sockets"
}
trap finish EXIT
psql --host localhost --username nas --dbname postgres --quiet \
    --command "CREATE DATABASE nas" 2> /dev/null || true # it is there from an earlier job

srun --nodes 1 --nodelist "$head" --overlap \
    ray start --head --block --port "$port" --dashboard-host 127.0.0.1 \
    --num-cpus "$SLURM_CPUS_PER_TASK" &
until ray health-check --address "$head:$port" > /dev/null 2>&1; do sleep 2; done
if ((${#nodes[@]} > 1)); then
    srun --nodes $((${#nodes[@]} - 1)) --exclude "$head" --overlap \
        ray start --block --address "$head:$port" --num-cpus "$SLURM_CPUS_PER_TASK" &
    sleep 30 # nodes that come later are used where --concurrency has room for them
fi

# the database is needed here alone; the search's URL has no password in it
RAY_ADDRESS=$head:$port NAS_STORAGE=postgresql+psycopg://nas@localhost/nas \
    nas search --runs "$work/runs" --data "$work/data" "$@" &
search=$!
trap 'kill -TERM "$search"' TERM
status=0
wait "$search" || status=$?
if kill -0 "$search" 2> /dev/null; then # the signal ended the wait, not the search
    wait "$search" || status=$?
    scontrol requeue "$SLURM_JOB_ID"
fi
exit "$status"
