"""The rules of deploy/compose.yml as one function: what a document breaks, in words (ADR 0005)."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, cast

import yaml
from compose_spec import PyCompose

__all__ = ["faults", "laid_over", "read"]

_VARIABLE = re.compile(r"\$\{(\w+)(?::?-([^}]*))?\}")
_PLACES = {"networks": "networks", "secrets": "secrets", "configs": "configs"}
_IMAGE = re.compile(r"[\w./-]+:\d[\w.-]*")


def read(path: Path) -> dict[str, Any]:
    """Return the document with merge keys and ``${NAME:-default}`` resolved, without x- parts."""
    text = _VARIABLE.sub(lambda match: match[2] or "", path.read_text(encoding="utf-8"))
    loaded = cast("dict[str, Any]", yaml.safe_load(text))
    return {key: value for key, value in loaded.items() if not key.startswith("x-")}


def laid_over(document: dict[str, Any], overlay: dict[str, Any]) -> dict[str, Any]:
    """Return the document with a second file laid over it: maps merge, ports add, lists give way.

    What compose does with the keys that the overlays here use.
    """
    merged = dict(document)
    for key, value in overlay.items():
        below = merged.get(key)
        if isinstance(value, dict) and isinstance(below, dict):
            merged[key] = laid_over(cast("dict[str, Any]", below), cast("dict[str, Any]", value))
        elif key == "ports":
            merged[key] = [*(below or []), *value]
        else:
            merged[key] = value
    return merged


def faults(document: dict[str, Any], folder: Path) -> list[str]:
    """Return what is wrong; ``folder`` is where paths in the document start."""
    found = list(_shape(document))
    for name, service in document["services"].items():
        found += [f"{name}: {fault}" for fault in _names(service, document)]
        found += [f"{name}: {fault}" for fault in _rights(service)]
        found += [f"{name}: {fault}" for fault in _care(service)]
    for kind in ("secrets", "configs"):
        for name, entry in document.get(kind, {}).items():
            if set(entry) != {"file"}:
                found.append(f"{kind} {name}: comes from a file and nothing else")
            elif kind == "secrets" and Path(entry["file"]).parent != Path("secrets"):
                found.append(f"secret {name}: lies outside the folder secrets")
            elif kind == "configs" and not (folder / entry["file"]).exists():
                found.append(f"config {name}: {entry['file']} does not exist")
    return found


def _shape(document: dict[str, Any]) -> list[str]:
    try:
        PyCompose.from_yaml(yaml.safe_dump(document)).validate()
    except Exception as error:  # noqa: BLE001 - the library's errors have no common class
        return [f"not a compose file: {error}"]
    return []


def _names(service: dict[str, Any], document: dict[str, Any]) -> list[str]:
    needs = cast("dict[str, dict[str, str]]", service.get("depends_on", {}))
    found = [
        f"depends on {name}, which is not there"
        for name in needs
        if name not in document["services"]
    ]
    for name, need in needs.items():
        needed = document["services"].get(name, {})
        if need.get("condition") == "service_healthy" and "healthcheck" not in needed:
            found.append(f"waits for the health of {name}, which has no check")
        if need.get("condition") == "service_completed_successfully" and (
            needed.get("restart") != "no"
        ):
            found.append(f"waits for the end of {name}, which restarts")
    for key, kind in _PLACES.items():
        for entry in cast("list[str | dict[str, str]]", service.get(key, [])):
            name = entry if isinstance(entry, str) else entry["source"]
            if name not in document.get(kind, {}):
                found.append(f"{key}: {name} is not declared")
    for volume in service.get("volumes", []):
        name = str(volume).split(":", maxsplit=1)[0]
        if name not in document.get("volumes", {}):
            found.append(f"mounts {name}, which is no declared volume")
    return found


def _rights(service: dict[str, Any]) -> list[str]:
    found: list[str] = []
    if str(service.get("user", "root")).split(":")[0] in {"root", "0"}:
        found.append("runs as root")
    if service.get("read_only") is not True:
        found.append("may write to its own file system")
    if service.get("cap_drop") != ["ALL"] or service.get("cap_add"):
        found.append("keeps capabilities")
    if "no-new-privileges:true" not in service.get("security_opt", []):
        found.append("may gain rights")
    found += [
        f"sets {key}"
        for key in ("privileged", "pid", "ipc", "network_mode", "userns_mode", "devices")
        if service.get(key)
    ]
    if "docker.sock" in yaml.safe_dump(service):
        found.append("mounts the engine's socket")
    found += [
        f"publishes {port} beyond this machine"
        for port in service.get("ports", [])
        if not str(port).startswith("127.0.0.1:")
    ]
    environment = cast("dict[str, str]", service.get("environment", {}))
    for key, value in environment.items():
        if re.search(r"PASSWORD|SECRET|TOKEN|(?<!PUBLIC)_URL", key) and not key.endswith("_FILE"):
            found.append(f"has {key} in its environment")
        if key.endswith("_FILE") and not str(value).startswith("/run/secrets/"):
            found.append(f"reads {key} from elsewhere than /run/secrets")
        mounted = {f"/run/secrets/{name}" for name in service.get("secrets", [])}
        if str(value).startswith("/run/secrets/") and value not in mounted:
            found.append(f"reads {value}, which is not mounted")
    return found


def _care(service: dict[str, Any]) -> list[str]:
    found: list[str] = []
    if "healthcheck" not in service and service.get("restart") != "no":
        found.append("has no health check")
    limits = service.get("deploy", {}).get("resources", {}).get("limits", {})
    found += [f"has no limit of {key}" for key in ("cpus", "memory", "pids") if key not in limits]
    if not _IMAGE.fullmatch(str(service.get("image", ""))):
        found.append("runs an image without a version")
    if not service.get("networks"):
        found.append("is on the default network")
    return found
