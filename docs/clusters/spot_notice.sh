#!/usr/bin/env bash
# Waits for the cloud's notice of a spot interruption, then drains the node in Ray, so that its workers save checkpoints and
# end. cluster.yaml and gcp.yaml start it on each worker, after Ray. On a machine that is not spot it waits forever.
#
#     spot_notice.sh HEAD:6379
set -euo pipefail

metadata=${METADATA_SERVER:-http://169.254.169.254}

# Prints the remaining seconds once there is a notice.
notice() {
    local token preempted
    # Amazon gives two minutes' notice, and answers 404 before.
    if token=$(curl --silent --fail --max-time 2 --request PUT "$metadata/latest/api/token" \
        --header "X-aws-ec2-metadata-token-ttl-seconds: 60") &&
        curl --silent --fail --max-time 2 --output /dev/null "$metadata/latest/meta-data/spot/instance-action" \
            --header "X-aws-ec2-metadata-token: $token"; then
        echo 110
        return
    fi
    # Google gives thirty seconds' notice, and answers FALSE before.
    preempted=$(curl --silent --fail --max-time 2 "$metadata/computeMetadata/v1/instance/preempted" \
        --header "Metadata-Flavor: Google") || return 1
    [ "$preempted" = TRUE ] && echo 25
}

until seconds=$(notice); do
    sleep 3
done
# Without --node-id this drains the local node.
exec ray drain-node --address "$1" --reason DRAIN_NODE_REASON_PREEMPTION \
    --reason-message "the cloud takes this machine away" --deadline-remaining-seconds "$seconds"
