"""Ray's launcher, KubeRay and the words about them, as far as a machine without a cluster can tell.

What Ray's launcher does up to the first byte over ssh is done for real, against moto's AWS.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import jsonschema
import pytest
import yaml
from moto import mock_aws
from ray.autoscaler._private import commands as launcher
from ray.autoscaler._private.kuberay.autoscaling_config import _derive_autoscaling_config_from_ray_cr
from ray.autoscaler._private.util import prepare_config, validate_config
from ray.autoscaler.v2.instance_manager.config import AutoscalingConfig
from ray.autoscaler.v2.instance_manager.node_provider import LaunchNodeError
from ray.autoscaler.v2.instance_manager.reconciler import Reconciler
from ray.autoscaler.v2.instance_manager.subscribers.cloud_resource_monitor import CloudResourceMonitor
from ray.autoscaler.v2.scheduler import ResourceDemandScheduler, SchedulingRequest
from ray.autoscaler.v2.utils import ResourceRequestUtil
from ray.core.generated.instance_manager_pb2 import Instance, InstanceUpdateEvent

from orchestrator.cli import app

from .conftest import REPOSITORY, program

SHARED = Path(os.environ.get("CALIBSWEEP_SHARED", REPOSITORY.parent / "shared"))
FOLDER = REPOSITORY / "docs" / "clusters"
LAUNCHER_FILES = {"aws": REPOSITORY / "cluster.yaml", "gcp": FOLDER / "gcp.yaml"}
TOKEN = "7a" * 32
HOME_ADDRESS = "203.0.113.7/32"


def read(path: Path) -> dict[str, Any]:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


# --- Ray's launcher -------------------------------------------------------------------------------


@pytest.mark.parametrize("cloud", LAUNCHER_FILES)
def test_launcher_files_pass_the_checks_of_ray_up(cloud: str) -> None:
    config = prepare_config(read(LAUNCHER_FILES[cloud]))
    validate_config(config)
    types = config["available_node_types"]

    assert types["head"]["resources"]["CPU"] == 0  # no trial runs beside the driver
    assert types["head"]["max_workers"] == 0
    spot, on_demand = types["gpu_spot"], types["gpu_on_demand"]
    assert spot["priority"] > on_demand["priority"]
    assert spot["min_workers"] == on_demand["min_workers"] == 0
    # Ray takes the priority into account only between types that fit a trial equally well.
    assert spot["resources"] == on_demand["resources"]
    market = {"aws": "InstanceMarketOptions", "gcp": "scheduling"}[cloud]
    assert "spot" in json.dumps(spot["node_config"].pop(market)).lower()
    assert "spot" not in json.dumps(on_demand["node_config"].pop(market, "")).lower()
    assert spot["node_config"] == on_demand["node_config"]

    for start in (config["head_start_ray_commands"], config["worker_start_ray_commands"]):
        assert "RAY_AUTH_MODE=token" in start[-1]
    assert "--dashboard-host=127.0.0.1" in config["head_start_ray_commands"][-1]
    assert "0.0.0.0" not in LAUNCHER_FILES[cloud].read_text()


@pytest.mark.parametrize("cloud", LAUNCHER_FILES)
def test_nodes_install_the_dependencies_that_pyproject_has(cloud: str, tmp_path: Path) -> None:
    config = read(LAUNCHER_FILES[cloud])
    folder = tmp_path / "calibsweep"
    folder.mkdir()
    for remote, local in config["file_mounts"].items():
        if remote.startswith("~/calibsweep/"):
            shutil.copy(REPOSITORY / local, folder)
    (command,) = [command for command in config["setup_commands"] if "tomllib" in command]
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    subprocess.run(["bash", "-c", command], env={"HOME": str(tmp_path), "PATH": path}, check=True)

    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["cluster"]]
    assert (folder / "requirements.txt").read_text().splitlines() == wanted
    assert "--constraint ~/calibsweep/constraints.txt" in config["setup_commands"][-1]


class Recorder:
    """In place of `subprocess` in Ray's launcher: ssh and rsync are written down, and succeed."""

    CalledProcessError = subprocess.CalledProcessError

    def __init__(self) -> None:
        self.commands: list[list[str]] = []

    def check_call(self, command: list[str], *_: Any, **__: Any) -> int:
        self.commands.append(command)
        return 0

    call = run = check_call

    def check_output(self, command: list[str], *_: Any, **__: Any) -> bytes:
        self.commands.append(command)
        return b""


@pytest.fixture
def aws(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An AWS of moto's, a home with a token, and the checkout as the working directory."""
    home = tmp_path / "home"
    (home / ".ray").mkdir(parents=True)
    (home / ".ray" / "auth_token").write_text(TOKEN)
    monkeypatch.setenv("HOME", str(home))
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("RAY_UP_enable_autoscaler_v2", "1")
    monkeypatch.chdir(REPOSITORY)
    with mock_aws():
        yield


def let_in(group: Any) -> list[str]:
    """Addresses from which ssh is let in; fails if anything else is, but for the group's own machines."""
    inside = []
    sources = []
    for rule in group.ip_permissions:
        if rule["UserIdGroupPairs"]:
            inside += [pair["GroupId"] for pair in rule["UserIdGroupPairs"]]
            assert not rule["IpRanges"]
        else:
            assert (rule["IpProtocol"], rule["FromPort"], rule["ToPort"]) == ("tcp", 22, 22)
            sources += [source["CidrIp"] for source in rule["IpRanges"]]
        assert not rule.get("Ipv6Ranges") and not rule.get("PrefixListIds")
    assert inside == [group.id]
    return sources


@pytest.mark.slow
def test_without_the_stack_ray_opens_ssh_to_all_and_nothing_else(aws: None) -> None:
    config = launcher._bootstrap_config(read(LAUNCHER_FILES["aws"]), no_config_cache=True)
    (group,) = config["available_node_types"]["head"]["node_config"]["SecurityGroupIds"]
    assert let_in(boto3.resource("ec2").SecurityGroup(group)) == ["0.0.0.0/0"]


@pytest.mark.slow
def test_ray_up_on_aws_opens_ssh_alone_and_shows_no_secret(
    aws: None, capfd: pytest.CaptureFixture[str]
) -> None:
    ec2 = boto3.resource("ec2")
    boto3.client("cloudformation").create_stack(
        StackName="calibsweep",
        TemplateBody=(FOLDER / "aws.yaml").read_text(),
        Capabilities=["CAPABILITY_NAMED_IAM"],
        Parameters=[
            {"ParameterKey": "Bucket", "ParameterValue": "my-bucket"},
            {"ParameterKey": "SshFrom", "ParameterValue": HOME_ADDRESS},
            {"ParameterKey": "Vpc", "ParameterValue": next(iter(ec2.vpcs.all())).id},
        ],
    )
    config = launcher._bootstrap_config(read(LAUNCHER_FILES["aws"]), no_config_cache=True)
    recorder = Recorder()
    launcher.get_or_create_head_node(config, "cluster.yaml", False, False, True, None, _runner=recorder)

    (head,) = ec2.instances.all()
    assert head.iam_instance_profile["Arn"].endswith("/calibsweep-head")
    (group,) = [ec2.SecurityGroup(group["GroupId"]) for group in head.security_groups]
    assert let_in(group) == [HOME_ADDRESS]

    # Workers: what the head's autoscaler is given. Each has its role, and all zones to try.
    for name in ("gpu_spot", "gpu_on_demand"):
        worker = config["available_node_types"][name]["node_config"]
        assert worker["IamInstanceProfile"] == {"Name": "calibsweep-worker"}
        assert worker["SecurityGroupIds"] == [group.id]
        assert len(worker["SubnetIds"]) == 4

    spoken = [" ".join(command) for command in recorder.commands]
    assert any(command.endswith(":~/.ray/auth_token") for command in spoken)
    start = spoken[-1]
    assert "RAY_AUTH_MODE=token" in start and '{"CPU":0}' in start
    # So that calibsweep waits for workers that are still to come, instead of refusing what does not fit yet.
    assert "RAY_NODE_TYPE_NAME=head" in start
    tags = json.dumps(head.tags)
    for text in (*spoken, tags, json.dumps(config), "".join(capfd.readouterr())):
        assert TOKEN not in text


def test_stack_of_aws_is_sound() -> None:
    subprocess.run([program("cfn-lint"), str(FOLDER / "aws.yaml")], check=True)


# --- What docs/clusters.md says of Ray's choice between spot and on-demand ------------------------


def launched(
    config: AutoscalingConfig, gpus: int, monitor: CloudResourceMonitor | None = None
) -> dict[str, int]:
    """How many nodes of each type Ray's autoscaler would start for so many trials of one GPU."""
    monitor = monitor or CloudResourceMonitor()
    trial = ResourceRequestUtil.make({"CPU": 1, "GPU": 1})
    reply = ResourceDemandScheduler().schedule(
        SchedulingRequest(
            disable_launch_config_check=True,
            node_type_configs=config.get_node_type_configs(),
            max_num_nodes=config.get_max_num_worker_nodes(),
            resource_requests=ResourceRequestUtil.group_by_count([trial] * gpus),
            cloud_resource_availabilities=monitor.get_resource_availabilities(),
            recoverable_resource_availabilities=monitor.get_recoverable_resource_availabilities(),
        )
    )
    head = config.get_head_node_type()
    return {one.instance_type: one.count for one in reply.to_launch if one.instance_type != head}


@pytest.mark.parametrize("cloud", LAUNCHER_FILES)
def test_ray_starts_spot_first_and_on_demand_only_where_spot_is_at_its_maximum(cloud: str) -> None:
    raw = read(LAUNCHER_FILES[cloud])
    assert launched(AutoscalingConfig(raw, skip_content_hash=True), 3) == {"gpu_spot": 3}
    assert launched(AutoscalingConfig(raw, skip_content_hash=True), 100) == {"gpu_spot": 8}
    raw["available_node_types"]["gpu_spot"]["max_workers"] = 2
    config = AutoscalingConfig(raw, skip_content_hash=True)
    assert launched(config, 5) == {"gpu_spot": 2, "gpu_on_demand": 3}


def test_ray_does_not_turn_to_on_demand_when_the_cloud_has_no_spot_machine() -> None:
    """If this fails, Ray has learnt it: cluster.yaml and docs/clusters.md then say too little of it."""
    refused = LaunchNodeError("gpu_spot", 1, "request", 0)
    waiting = Instance(instance_id="1", instance_type="gpu_spot", launch_request_id="request")
    key = ("request", "gpu_spot")
    event = Reconciler._try_resolve_pending_allocation(waiting, {}, {key: refused}, {key: 1})
    event.instance_type = "gpu_spot"
    assert event.new_instance_status == Instance.ALLOCATION_FAILED
    monitor = CloudResourceMonitor()
    monitor.notify([event])
    config = AutoscalingConfig(read(LAUNCHER_FILES["aws"]), skip_content_hash=True)
    assert launched(config, 1, monitor) == {"gpu_spot": 1}


# --- Kubernetes -----------------------------------------------------------------------------------


def ray_job() -> dict[str, Any]:
    (job,) = [
        document
        for document in yaml.safe_load_all((FOLDER / "kuberay.yaml").read_text())
        if document["kind"] == "RayJob"
    ]
    return job


def closed(schema: Any) -> Any:
    """The schema with unknown fields refused, which Kubernetes drops in silence."""
    if isinstance(schema, dict):
        schema = {name: closed(part) for name, part in schema.items()}
        if isinstance(schema.get("properties"), dict) and "additionalProperties" not in schema:
            schema["additionalProperties"] = False
    elif isinstance(schema, list):
        schema = [closed(part) for part in schema]
    return schema


def test_manifest_fits_kuberays_published_schema() -> None:
    path = SHARED / "schemas" / "kuberay-rayjob-v1.json"
    if not path.is_file():
        pytest.skip(f"no schema in {path}; set CALIBSWEEP_SHARED")
    validator = jsonschema.Draft7Validator(closed(json.loads(path.read_text())))
    job = ray_job()
    assert [f"{list(error.path)}: {error.message}" for error in validator.iter_errors(job)] == []
    job["spec"]["rayClusterSpec"]["headGroupSpec"]["serviceTypo"] = "ClusterIP"
    assert not validator.is_valid(job)


def test_manifest_is_closed_and_leaves_time_for_checkpoints() -> None:
    spec = ray_job()["spec"]
    cluster = spec["rayClusterSpec"]
    assert cluster["authOptions"] == {"mode": "token"}
    assert cluster["headGroupSpec"]["serviceType"] == "ClusterIP"
    assert not cluster["headGroupSpec"].get("enableIngress")

    head = cluster["headGroupSpec"]["template"]["spec"]
    (wait,) = [
        one["value"] for one in head["containers"][0]["env"] if one["name"] == "RAY_JOB_STOP_WAIT_TIME_S"
    ]
    assert int(wait) < head["terminationGracePeriodSeconds"]
    assert spec["jobId"] in head["containers"][0]["lifecycle"]["preStop"]["exec"]["command"][-1]
    for group in cluster["workerGroupSpecs"]:
        worker = group["template"]["spec"]
        _, seconds = worker["containers"][0]["lifecycle"]["preStop"]["exec"]["command"]
        assert int(seconds) < worker["terminationGracePeriodSeconds"]
        assert worker["serviceAccountName"] != head["serviceAccountName"]

    # Secrets are named, never written.
    for container in (*head["containers"], *worker["containers"]):
        for one in container.get("env", []):
            assert not re.search("TOKEN|SECRET|PASSWORD|ACCESS_KEY", one["name"]) or "valueFrom" in one


def test_on_kubernetes_a_group_whose_pods_wait_too_long_is_passed_over() -> None:
    cluster = {
        "metadata": {"name": "calibsweep", "namespace": "default"},
        "spec": ray_job()["spec"]["rayClusterSpec"],
    }
    config = AutoscalingConfig(_derive_autoscaling_config_from_ray_cr(cluster), skip_content_hash=True)
    assert launched(config, 2) == {"gpu-spot": 2}
    monitor = CloudResourceMonitor()
    timeout = InstanceUpdateEvent(
        instance_id="1", instance_type="gpu-spot", new_instance_status=Instance.ALLOCATION_TIMEOUT
    )
    monitor.notify([timeout])
    assert launched(config, 2, monitor) == {"gpu-on-demand": 2}


# --- The words ------------------------------------------------------------------------------------


def command_lines() -> Iterator[tuple[str, str]]:
    """Every line that starts calibsweep, in the walks and in the files that they name."""
    for path in sorted([REPOSITORY / "docs" / "clusters.md", REPOSITORY / "cluster.yaml", *FOLDER.iterdir()]):
        text = path.read_text(encoding="utf-8")
        if path.suffix == ".md":
            blocks = re.findall(r"```sh\n(.*?)```", text, re.S)
            text = "\n".join(blocks).replace("\\\n", " ")
        for line in text.splitlines():
            found = re.match(
                r"(?:#|entrypoint:|ExecStart=\S*/)?\s*(?:\w+=\S+ )*(calibsweep .*)", line.strip()
            )
            if found:
                yield path.name, found[1]


@pytest.mark.parametrize(("file", "line"), list(command_lines()))
def test_command_lines_of_the_walks_parse(file: str, line: str) -> None:
    command: Any = app
    words = shlex.split(line, comments=True)[1:]
    while hasattr(command, "commands"):
        name = words.pop(0)
        assert name in command.commands, f"{file}: {line}"
        command = command.commands[name]
    command.make_context(command.name, words)


def test_files_that_the_walks_name_are_there() -> None:
    text = (REPOSITORY / "docs" / "clusters.md").read_text(encoding="utf-8")
    named = set(re.findall(r"\]\((?!http)([^)#]+)\)", text))
    assert {"../cluster.yaml", "clusters/gcp.yaml", "clusters/kuberay.yaml", "clusters/slurm.sh"} <= named
    for name in named:
        assert (REPOSITORY / "docs" / name).exists(), name
    for path in [*FOLDER.iterdir(), REPOSITORY / "cluster.yaml"]:
        assert path.name in text, f"{path.name} is in no walk"
