"""No query can forget whose rows it is about."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import wa_api.store

#: Not about one tenant's rows: the machinery, the tenants themselves, who is calling (asked
#: before a tenant is known), and what session workers do across tenants.
EXEMPT = {
    *("batch", "db", "fence", "models", "open", "progress", "rows", "schema", "secrets", "views"),
    *("fleet", "owner", "single", "running", "logins", "tenants", "delivering", "receipts"),
}


def queries() -> Iterator[Callable[..., Any]]:
    """Every public async function of the store's query modules."""
    for module in pkgutil.iter_modules(wa_api.store.__path__):
        if module.ispkg or module.name in EXEMPT:
            continue
        loaded = importlib.import_module(f"wa_api.store.{module.name}")
        for name, function in inspect.getmembers(loaded, inspect.iscoroutinefunction):
            if function.__module__ == loaded.__name__ and not name.startswith("_"):
                yield function


QUERIES = list(queries())


def test_there_are_queries():
    """The test below looks at something."""
    assert len(QUERIES) > 30


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: f"{query.__module__}.{query.__name__}")
def test_every_query_names_its_tenant(query: Callable[..., Any]):
    """No function of the store can touch rows without saying whose they are."""
    assert next(iter(inspect.signature(query).parameters)) == "tenant"
