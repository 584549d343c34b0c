"""Resolves a request on this machine: it becomes the settings of a session."""

from __future__ import annotations

import dataclasses

from workbench.catalog import Catalog
from workbench.errors import OptionError, WorkbenchError
from workbench.host import machine
from workbench.host.cpus import measuring_cpus, usable_cpus
from workbench.model.device import Device
from workbench.model.records import Settings
from workbench.model.request import RUN, Request


def settings_of(content: Catalog, task: str, request: Request) -> Settings:
    """A session's settings.

    Raises:
        WorkbenchError: for a preset that the task does not have, or a device or CPUs that this machine does not have.
    """
    declared = content.task(task)
    if request.sweep is not None and declared.sweep is None:
        raise OptionError("sweep", request.sweep, f"task {task} declares no SWEEP")
    stock = request.profile == "stock"
    if stock and request.threads is not None:
        reason = "applies to profile equal only: in stock every framework uses its own default"
        raise OptionError("threads", request.threads, reason)
    if stock and request.matmul_precision is not None:
        reason = "applies to profile equal only: in stock every framework uses its own default"
        raise OptionError("matmul_precision", request.matmul_precision, reason)
    cpus, harness_cpus = _cpus(request.threads or 1, stock=stock)
    shared = {entry.name for entry in dataclasses.fields(Settings)} & {
        entry.name for entry in dataclasses.fields(Request)
    }
    resolved = {
        **{name: getattr(request, name) for name in shared},
        "preset": content.preset(declared, request.preset),
        "device": Device.parse(request.device, len(machine.gpus())),
        "threads": None if stock else request.threads or 1,
        "matmul_precision": None if stock else request.matmul_precision or "float32",
    }
    return Settings(task=task, cpus=cpus, harness_cpus=harness_cpus, **resolved)


def refuse_other_settings(content: Catalog, before: Settings) -> None:
    """Check that recorded settings are such as can be asked for here and now, for a session that goes on with them.

    Raises:
        WorkbenchError: when they are not; says which.
    """
    names = {entry.name for entry in dataclasses.fields(Settings)} & {
        entry.name for entry in dataclasses.fields(Request)
    }
    asked = {name: value for name in names if (value := getattr(before, name)) is not None}
    again = settings_of(content, before.task, Request.of(RUN, {**asked, "device": str(before.device)}))
    if odd := next((name for name in sorted(names) if getattr(again, name) != getattr(before, name)), None):
        raise WorkbenchError(f"{odd} {getattr(before, odd)!s} cannot be asked for")
    for name in ("cpus", "harness_cpus"):
        found, usable = getattr(before, name), usable_cpus()
        fits = len({*found}) == len(found) == len(getattr(again, name)) and (usable is None or {*found} <= {*usable})
        if not fits:
            raise WorkbenchError(f"this process cannot use the {name} {found} that it was measured with")


def _cpus(threads: int, *, stock: bool) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """CPUs of the workers and of the harness; in stock both may use all."""
    if stock:
        usable = usable_cpus() or ()
        return usable, usable
    try:
        return measuring_cpus(threads)
    except ValueError as error:
        raise OptionError("threads", threads, str(error)) from None
