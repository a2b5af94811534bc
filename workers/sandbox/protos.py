"""WhatsApp's protobuf messages, without the engine that ships them.

The engine's package carries the compiled messages, but importing that package starts its Go
runtime. Its message modules import each other by their bare folder names, so putting that folder
on the path is enough to load them alone.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path
from typing import Any


def _messages_folder() -> Path:
    spec = importlib.util.find_spec("neonize")
    if spec is None or not spec.submodule_search_locations:
        raise ImportError("the neonize package, which carries the messages, is not installed")
    return Path(next(iter(spec.submodule_search_locations))) / "proto"


def _load(name: str) -> Any:
    return importlib.import_module(name)


_folder = str(_messages_folder())
if _folder not in sys.path:
    sys.path.append(_folder)

adv: Any = _load("waAdv.WAAdv_pb2")
cert: Any = _load("waCert.WACert_pb2")
companion: Any = _load("waCompanionReg.WACompanionReg_pb2")
common: Any = _load("waCommon.WACommon_pb2")
e2e: Any = _load("waE2E.WAWebProtobufsE2E_pb2")
history: Any = _load("waHistorySync.WAWebProtobufsHistorySync_pb2")
sync: Any = _load("waServerSync.WAWebProtobufsServerSync_pb2")
sync_action: Any = _load("waSyncAction.WAWebProtobufSyncAction_pb2")
wa6: Any = _load("waWa6.WAWebProtobufsWa6_pb2")
web: Any = _load("waWeb.WAWebProtobufsWeb_pb2")
