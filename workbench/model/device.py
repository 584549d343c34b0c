"""Where a session computes."""

from __future__ import annotations

import re
from dataclasses import dataclass

from workbench.errors import WorkbenchError


@dataclass(frozen=True)
class Device:
    """Where a session computes: the CPU, or the GPU with the given index."""

    kind: str
    index: int = 0

    @classmethod
    def parse(cls, text: str, gpus: int) -> Device:
        """A device from ``cpu``, ``gpu``, ``gpu:1``, ``cuda:1`` or ``auto`` on a machine with ``gpus`` GPUs.

        Raises:
            WorkbenchError: for anything else, and for an index beyond this machine's GPUs.
        """
        if text == "auto":
            return cls("gpu" if gpus else "cpu")
        match = re.fullmatch(r"(cpu|gpu|cuda)(?::([0-9]{1,4}))?", text.lower())
        if match is None or (match[1] == "cpu" and match[2]):
            raise WorkbenchError(f"unknown device {text!r}: use cpu, gpu, auto, or an index such as gpu:1")
        device = cls("cpu" if match[1] == "cpu" else "gpu", int(match[2] or 0))
        if device.index >= max(gpus, 1):
            raise WorkbenchError(f"no GPU {device.index}: this machine has {gpus}; `workbench doctor` lists them")
        return device

    def __str__(self) -> str:
        return self.kind if self.kind == "cpu" or not self.index else f"{self.kind}:{self.index}"
