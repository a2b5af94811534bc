"""The words of the product: ids, states, content, commands, events, errors. No I/O."""

from __future__ import annotations
