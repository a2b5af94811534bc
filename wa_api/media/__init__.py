"""Files that messages carry: kept, looked into, converted, fetched. Rows about them: `wa_api.store`."""
