"""Filebeat 7, 8 and 9, Logstash, Fluent Bit and Vector as recorded: every answer is one that they go on from."""

from __future__ import annotations

import json
import subprocess
import tomllib
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import yaml

from tests.acceptance.conversations import RECORDINGS, speak, template
from tests.acceptance.shipping import aimed, snippet
from tests.harness import System

pytestmark = pytest.mark.system

NAMES = sorted(path.stem for path in RECORDINGS.glob("*.json"))


@pytest.fixture(scope="module")
def client(system: System) -> Iterator[httpx.Client]:
    found = system.endpoints()
    auth = (found["elastic_user"], found["elastic_password"])
    with httpx.Client(base_url=found["elastic_url"], auth=auth, timeout=60) as made:
        yield made


def holds(least: Any, value: Any) -> bool:
    """Whether what was stored has at least this, whether its names are nested or dotted."""
    return all(holds(each, value[key]) if isinstance(each, dict) else value[key] == each for key, each in least.items())


def as_texts(settings: Any) -> Any:
    """Settings as Elasticsearch shows them: every value a text."""
    if isinstance(settings, dict):
        return {key: as_texts(each) for key, each in settings.items()}
    return [as_texts(each) for each in settings] if isinstance(settings, list) else str(settings)


@pytest.mark.parametrize("name", NAMES)
def test_a_conversation_replays_clean(client: httpx.Client, name: str) -> None:
    recording = json.loads((RECORDINGS / f"{name}.json").read_text())
    speak(client, recording)
    then = recording["then"]
    client.post("/_refresh").raise_for_status()
    found = client.get(f"/{then['search']}/_count").json()
    assert found["count"] == then["documents"], found
    if "template" in then:
        (put,) = [each["send"]["template"] for each in recording["exchanges"] if "template" in each["send"]]
        (kept,) = client.get(f"/_index_template/{then['template']}").json()["index_templates"]
        sent, shown = template(**put), kept["index_template"]
        assert shown["template"]["mappings"] == sent["template"]["mappings"]
        assert shown["template"]["settings"] == as_texts(sent["template"]["settings"])
        assert [shown[key] for key in ("index_patterns", "priority")] == [sent["index_patterns"], 150]
    if "parsed" in then:
        body = {"query": then["parsed"]["query"]}
        hits = client.request("GET", f"/{then['search']}/_search", json=body).json()["hits"]["hits"]
        assert len(hits) == 1
        assert holds(then["parsed"]["source"], hits[0]["_source"]), hits


def test_the_page_for_shippers_is_well_formed_and_its_line_of_shell_works(system: System) -> None:
    assert set(yaml.safe_load(snippet("yaml"))["output.elasticsearch"]) == {"hosts", "username", "password"}
    assert tomllib.loads(snippet("toml"))["sinks"]["dxops"]["type"] == "elasticsearch"
    done = subprocess.run(["bash", "-c", aimed(snippet("sh"), system)], capture_output=True, timeout=60, check=True)
    assert json.loads(done.stdout)["result"] == "created"
