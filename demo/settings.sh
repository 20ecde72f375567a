# shellcheck shell=bash
# shellcheck disable=SC2034  # read by the scripts that source this
# Names and places of the demo; sourced by its scripts, which stand in the checkout's root.

state=$PWD/build/demo
# One for each checkout, so that no `make down` takes another's away.
cluster_name=demo-$(pwd -P | sha256sum | cut -c 1-8)
release=octans
namespace=octans
tasks_namespace=octans-tasks
machines_namespace=machines
machines=(machine-1 machine-2 machine-3)
node_port=30080
# The service account in whose name the demo calls the API.
caller=caller
python=${PYTHON:-python3}

# A cluster of our own, or the one that KUBECONFIG names: what `make up` was told holds until `make down`.
if [ -f "$state/cluster" ]; then
    cluster=$(cat "$state/cluster")
else
    cluster=${CLUSTER:-own}
fi
if [ "$cluster" = own ] && [ -f "$state/kubeconfig" ]; then
    KUBECONFIG=$(cat "$state/kubeconfig")
    export KUBECONFIG
fi
PATH=$state/bin:$PATH

# Ends the port-forward that demo/env started; a process that only has its number by now is left alone.
stop_forward() {
    local pid
    pid=$(cat "$state/port-forward.pid" 2>/dev/null) || return 0
    if [[ "$(ps -o args= -p "$pid" 2>/dev/null)" == *"port-forward"*"service/$release-api"* ]]; then
        kill "$pid"
    fi
    rm -f "$state/port-forward.pid"
}
