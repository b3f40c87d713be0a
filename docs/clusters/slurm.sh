#!/usr/bin/env bash
# One sweep on SLURM: Ray on all nodes of a job, and the command on the first of them. docs/clusters.md walks through it.
#
#     export CALIBSWEEP_STORE=/shared/results CALIBSWEEP_DATA=/shared/data
#     sbatch docs/clusters/slurm.sh mukhoti2020
#
# To change: the lines below, as your site has them (and --partition, --account). Options after the sweep's name are
# those of `calibsweep run`, such as --set run.gpus_per_trial=0.5.
#SBATCH --job-name=calibsweep
#SBATCH --output=calibsweep-%j.log
#SBATCH --open-mode=append
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=32
#SBATCH --gpus-per-node=4
#SBATCH --time=24:00:00
# Whole nodes: `ray symmetric-run` refuses a node where a Ray of anyone's runs, and at its end stops each Ray that it
# may stop there, those of your other jobs as well.
#SBATCH --exclusive
# Ten minutes before the time limit this script, and nothing else of the job, is told.
#SBATCH --signal=B:USR1@600
# After a preemption or a dead node SLURM starts the job anew, and the same command goes on where it was.
#SBATCH --requeue
set -euo pipefail

# shellcheck source=/dev/null
if [ -f .venv/bin/activate ]; then source .venv/bin/activate; fi

# Only who has the token may speak to this Ray. It lies in your home, which all nodes share, and is yours alone to read.
(umask 077 && ray get-auth-token --generate > /dev/null)
chmod 600 ~/.ray/auth_token
export RAY_AUTH_MODE=token
# A folder on each node's own disk, and not /tmp/ray, which may be another user's.
export RAY_TMPDIR="/tmp/calibsweep-$SLURM_JOB_ID"
# The nodes may come up at different times.
export RAY_SYMMETRIC_RUN_CLUSTER_WAIT_TIMEOUT=300

# This script runs on the first node. Where that has several networks, HEAD_ADDRESS says which.
head_address=${HEAD_ADDRESS:-$(hostname -I | cut -d ' ' -f 1)}
port=$((20000 + SLURM_JOB_ID % 10000))
driver="$RAY_TMPDIR/driver.pid"
mkdir -p "$RAY_TMPDIR"
rm -f "$driver"

# To the command alone, not to Ray: it has every running trial checkpointed, and ends; then Ray is stopped.
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

# A signal that is trapped ends `wait` early, with a code above 128.
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
