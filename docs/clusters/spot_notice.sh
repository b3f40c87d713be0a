#!/usr/bin/env bash
# Waits until the cloud gives notice that it takes this machine away, and tells Ray, whose workers then keep checkpoints
# and go. cluster.yaml and gcp.yaml start it on each worker, after Ray; on a machine that is not spot it waits for ever.
#
#     spot_notice.sh HEAD:6379
set -euo pipefail

metadata=${METADATA_SERVER:-http://169.254.169.254}

# Prints how many seconds are left, once there is a notice.
notice() {
    local token preempted
    # Amazon gives two minutes, and answers 404 until then.
    if token=$(curl --silent --fail --max-time 2 --request PUT "$metadata/latest/api/token" \
        --header "X-aws-ec2-metadata-token-ttl-seconds: 60") &&
        curl --silent --fail --max-time 2 --output /dev/null "$metadata/latest/meta-data/spot/instance-action" \
            --header "X-aws-ec2-metadata-token: $token"; then
        echo 110
        return
    fi
    # Google gives thirty seconds, and says FALSE until then.
    preempted=$(curl --silent --fail --max-time 2 "$metadata/computeMetadata/v1/instance/preempted" \
        --header "Metadata-Flavor: Google") || return 1
    [ "$preempted" = TRUE ] && echo 25
}

until seconds=$(notice); do
    sleep 3
done
# Without --node-id it is the node that runs here.
exec ray drain-node --address "$1" --reason DRAIN_NODE_REASON_PREEMPTION \
    --reason-message "the cloud takes this machine away" --deadline-remaining-seconds "$seconds"
