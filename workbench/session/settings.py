"""Resolves a request on this machine: it becomes the settings of a session."""

from __future__ import annotations

import dataclasses

from workbench.catalog import Catalog
from workbench.errors import OptionError
from workbench.host import machine
from workbench.host.cpus import measuring_cpus, usable_cpus
from workbench.model.device import Device
from workbench.model.records import Settings
from workbench.model.request import Request


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
    cpus, harness_cpus = _cpus(request.threads or 1, stock=stock)
    shared = {entry.name for entry in dataclasses.fields(Settings)} & {
        entry.name for entry in dataclasses.fields(Request)
    }
    resolved = {
        **{name: getattr(request, name) for name in shared},
        "preset": content.preset(declared, request.preset),
        "device": Device.parse(request.device, len(machine.gpus())),
        "threads": None if stock else request.threads or 1,
        "matmul_precision": None if stock else request.matmul_precision,
    }
    return Settings(task=task, cpus=cpus, harness_cpus=harness_cpus, **resolved)


def _cpus(threads: int, *, stock: bool) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """CPUs of the workers and of the harness; in stock both may use all."""
    if stock:
        usable = usable_cpus() or ()
        return usable, usable
    try:
        return measuring_cpus(threads)
    except ValueError as error:
        raise OptionError("threads", threads, str(error)) from None
