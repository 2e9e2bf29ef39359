"""What git, or the CI that checked out for us, says of a directory."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from dxops.base.errors import Refused

# A CI checks out a detached head; these name the branch that was pushed. GITHUB_REF_NAME only counts for branches.
_BRANCH_VARIABLES = ("CIRCLE_BRANCH", "CI_COMMIT_BRANCH", "BUILDKITE_BRANCH", "DXOPS_BRANCH")
_COMMIT_VARIABLES = ("GITHUB_SHA", "CIRCLE_SHA1", "CI_COMMIT_SHA", "BUILDKITE_COMMIT")


class Checkout(msgspec.Struct, frozen=True, kw_only=True):
    """Commit, branch and author; each None where nobody knows. `dirty`: files differ from the commit."""

    commit: str | None = None
    branch: str | None = None
    author: str | None = None
    dirty: bool = False


def read_checkout(directory: Path, variables: Mapping[str, str] | None = None) -> Checkout:
    """Ask git, then the CI's variables. Never raises: a directory without git has none of it."""
    variables = os.environ if variables is None else variables
    place = directory if directory.is_dir() else directory.parent
    commit = _git(place, "rev-parse", "HEAD") or _first(variables, _COMMIT_VARIABLES)
    branch = _git(place, "symbolic-ref", "--quiet", "--short", "HEAD") or _ci_branch(variables)
    status = _git(place, "status", "--porcelain", "--untracked-files=no")
    return Checkout(
        commit=commit, branch=branch, author=_git(place, "log", "-1", "--format=%aN"), dirty=bool(commit and status)
    )


def environment_for(branch: str | None, environments: Sequence[Mapping[str, object]]) -> str:
    """The environment of a branch, from `GET /api/environments`. Raises `Refused`, saying what would work."""
    names = ", ".join(f"{item['branch']} → {item['name']}" for item in environments)
    if branch is None:
        raise Refused(
            "no git branch tells the environment (not a checkout, or a detached head)",
            code="no_branch",
            hint=f"pass --env; branches and environments here: {names}",
        )
    for item in environments:
        if item["branch"] == branch:
            return str(item["name"])
    raise Refused(
        f"the branch '{branch}' belongs to no environment",
        code="no_environment",
        hint=f"pass --env, or publish from one of: {names}",
    )


def _ci_branch(variables: Mapping[str, str]) -> str | None:
    if variables.get("GITHUB_REF_TYPE", "branch") == "branch" and (name := variables.get("GITHUB_REF_NAME")):
        return name
    return _first(variables, _BRANCH_VARIABLES)


def _first(variables: Mapping[str, str], names: Sequence[str]) -> str | None:
    return next((variables[name] for name in names if variables.get(name)), None)


def _git(place: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(place), *arguments], capture_output=True, text=True, timeout=30, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None if done.returncode == 0 else None
