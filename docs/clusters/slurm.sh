#!/usr/bin/env bash
# One sweep on SLURM: Ray on all nodes of a job, the command on the first. docs/clusters.md explains the steps.
#
#     export CALIBSWEEP_STORE=/shared/results CALIBSWEEP_DATA=/shared/data
#     sbatch docs/clusters/slurm.sh mukhoti2020
#
# Adapt the lines below to your site (and add --partition, --account). Options after the sweep's name are passed to
# `calibsweep run`, such as --set run.gpus_per_trial=0.5.
#SBATCH --job-name=calibsweep
#SBATCH --output=calibsweep-%j.log
#SBATCH --open-mode=append
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=32
#SBATCH --gpus-per-node=4
#SBATCH --time=24:00:00
# Whole nodes: `ray symmetric-run` refuses a node on which any other Ray runs. At its end it stops every Ray of yours on
# the node, including those of your other jobs.
#SBATCH --exclusive
# Signals this script, and nothing else of the job, ten minutes before the time limit.
#SBATCH --signal=B:USR1@600
# After a preemption or the death of a node SLURM restarts the job, and the command resumes.
#SBATCH --requeue
set -euo pipefail

# shellcheck source=/dev/null
if [ -f .venv/bin/activate ]; then source .venv/bin/activate; fi

# Protects this Ray with a token. It is in your home, which all nodes share, readable only by you.
(umask 077 && ray get-auth-token --generate > /dev/null)
chmod 600 ~/.ray/auth_token
export RAY_AUTH_MODE=token
# A folder on each node's own disk. /tmp/ray may belong to another user.
export RAY_TMPDIR="/tmp/calibsweep-$SLURM_JOB_ID"
# Nodes may come up at different times.
export RAY_SYMMETRIC_RUN_CLUSTER_WAIT_TIMEOUT=300

# This script runs on the first node. If that has several networks, choose one with HEAD_ADDRESS.
head_address=${HEAD_ADDRESS:-$(hostname -I | cut -d ' ' -f 1)}
port=$((20000 + SLURM_JOB_ID % 10000))
driver="$RAY_TMPDIR/driver.pid"
mkdir -p "$RAY_TMPDIR"
rm -f "$driver"

# Signals only the command, not Ray. All running trials save checkpoints, the command ends, then Ray stops.
# shellcheck disable=SC2329  # the traps invoke it
finish() {
  if [ -f "$driver" ]; then kill -TERM "$(cat "$driver")" || true; fi
}
again=no
trap 'again=yes; finish' USR1 # before the time limit
trap finish TERM              # from you: scancel --batch --signal=TERM JOB

# shellcheck disable=SC2016  # expanded by the inner shell, on the node
srun --ntasks="$SLURM_NNODES" --ntasks-per-node=1 --cpus-per-task="$SLURM_CPUS_PER_TASK" \
  ray symmetric-run --address "$head_address:$port" --min-nodes "$SLURM_NNODES" \
  --num-cpus="$SLURM_CPUS_PER_TASK" -- \
  bash -c 'echo $$ > "$0"; exec "$@"' "$driver" calibsweep run "$@" --address auto &
step=$!

# A trapped signal ends `wait` early, with a code above 128.
code=129
while [ "$code" -gt 128 ]; do
  wait "$step" && code=0 || code=$?
done

if [ ! -f "$driver" ]; then
  echo "Ray did not start, so nothing was run (symmetric-run itself then says 0)." >&2
  code=2
fi
rm -rf "$RAY_TMPDIR" || true
if [ "$again" = yes ] && [ "$code" -ne 0 ]; then
  scontrol requeue "$SLURM_JOB_ID"
fi
exit "$code"
