"""The files of deploy/ are what their readers take: Ray's launcher, Kubernetes, a shell."""

import json
import subprocess
from pathlib import Path

import jsonschema
import pytest
import ray
import yaml
from typer.main import get_command

from nas.cli.app import app
from nas.study.storage_url import has_password

DEPLOY = Path(__file__).parents[1] / "deploy"
FILES = sorted(DEPLOY.iterdir())


def test_ray_s_launcher_takes_the_cluster():
    schema = Path(ray.__file__).parent / "autoscaler" / "ray-schema.json"
    cluster = yaml.safe_load((DEPLOY / "ray-cluster.yaml").read_text())
    jsonschema.validate(cluster, json.loads(schema.read_text()))
    assert cluster["head_node_type"] in cluster["available_node_types"]
    gpu = cluster["available_node_types"]["gpu"]
    assert gpu["node_config"]["InstanceMarketOptions"] == {"MarketType": "spot"}
    assert gpu["min_workers"] < gpu["max_workers"] <= cluster["max_workers"]
    starts = cluster["head_start_ray_commands"] + cluster["worker_start_ray_commands"]
    assert all("RAY_AUTH_MODE=token" in line for line in starts if "ray start" in line)


def test_what_kubernetes_is_given_refers_to_what_is_there():
    documents = list(yaml.safe_load_all((DEPLOY / "kuberay.yaml").read_text()))
    named = {(one["kind"], one["metadata"]["name"]): one for one in documents}
    cluster, job = named["RayCluster", "nas"]["spec"], named["RayJob", "nas-search"]["spec"]
    assert cluster["authOptions"] == {"mode": "token"} and cluster["enableInTreeAutoscaling"]
    assert job["clusterSelector"] == {"ray.io/cluster": "nas"}
    templates = [cluster["headGroupSpec"]["template"]]
    templates += [group["template"] for group in cluster["workerGroupSpecs"]]
    templates += [named["Deployment", "nas-postgres"]["spec"]["template"]]
    for template in templates:
        spec = template["spec"]
        volumes = {
            one["name"]: one["persistentVolumeClaim"]["claimName"] for one in spec["volumes"]
        }
        assert all(("PersistentVolumeClaim", claim) in named for claim in volumes.values())
        for container in spec["containers"]:
            assert {mount["name"] for mount in container["volumeMounts"]} <= volumes.keys()
            for variable in container.get("env", []):
                assert "PASSWORD" not in variable["name"] or "valueFrom" in variable
    (worker,) = templates[1]["spec"]["containers"]
    assert "env" not in worker  # workers need no database


def test_a_shell_takes_the_slurm_script():
    done = subprocess.run(
        ["bash", "-n", str(DEPLOY / "slurm.sh")], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("file", FILES, ids=[file.name for file in FILES])
def test_options_are_those_of_nas_search_and_no_password_is_written(file):
    text = file.read_text()
    options = {o for one in get_command(app).commands["search"].params for o in one.opts}
    commands = text.replace("\\\n", " ").replace("#", " ").split("nas search ")[1:]
    for command in commands:
        words = command.split(" &")[0].split("\n\n")[0].split("\n---")[0].split()
        given = [word for word in words if word.startswith("--")]
        assert set(given[:3]) <= options, given
    urls = [word.strip("\"'{},") for word in text.split() if "postgresql+psycopg://" in word]
    urls = [url[url.index("postgresql") :] for url in urls]
    assert urls and not any(has_password(url) for url in urls)
