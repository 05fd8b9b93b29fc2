"""What a benchmark ran on."""

import os
import platform
import re
from pathlib import Path

# What decides which kernels a library has.
_FLAGS = (
    "f16c",
    "fma",
    "avx2",
    "avx_vnni",
    "avx512f",
    "avx512_vnni",
    "avx512_bf16",
    "avx512_fp16",
    "amx_int8",
    "amx_bf16",
)


def machine() -> dict:
    """Processor, processors this process may use, instruction sets, third-level cache, memory, system."""
    cpu = dict(re.findall(r"^(.+?)\s*: (.+)$", _read("/proc/cpuinfo"), re.MULTILINE))
    memory = re.search(r"^MemTotal:\s+(\d+) kB$", _read("/proc/meminfo"), re.MULTILINE)
    flags = cpu.get("flags", "").split()
    return {
        "processor": cpu.get("model name") or platform.processor() or platform.machine(),
        "family_model": f"{cpu['cpu family']}/{cpu['model']}" if {"cpu family", "model"} <= cpu.keys() else None,
        "processors": usable_processors(),
        "instructions": [flag for flag in _FLAGS if flag in flags],
        "l3_cache": _read("/sys/devices/system/cpu/cpu0/cache/index3/size").strip() or None,
        "memory_bytes": 1024 * int(memory.group(1)) if memory else None,
        "virtual": "hypervisor" in flags,
        "system": platform.platform(),
    }


def usable_processors() -> int:
    """How many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def load_average() -> float | None:
    """The system's load of the last minute: how much else was running before the benchmark began."""
    return round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
