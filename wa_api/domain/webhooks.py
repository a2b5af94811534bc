"""What the API and the webhook workers call the same."""

from __future__ import annotations

#: The channel on which changed webhooks are announced, and the role of those who listen.
CHANNEL, ROLE = "webhooks", "webhooks"
#: The command that asks a webhook's deliverer for a test, and the type of the event it sends.
TEST_COMMAND = TEST_TYPE = "webhook.test"
