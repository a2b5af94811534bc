"""Error texts of the library, and whether a message may have gone out."""

from __future__ import annotations

import pytest

from workers.engine.errors import call_error, send_error
from workers.engine.port import SendFailed, SendUncertain


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("server returned error 463", "account_restricted"),
        ("server returned error 429", "rate_limited"),
        ("server returned error 479", "whatsapp_refused"),
        (
            "failed to get device list: info query returned status 429: rate-overlimit",
            "rate_limited",
        ),
        ("no LID found for 1@s.whatsapp.net from server", "recipient_not_on_whatsapp"),
        ("failed to send message node: websocket not connected", "not_connected"),
        ("failed to get user info: websocket not connected", "not_connected"),
        ("websocket disconnected before info query returned response", "not_connected"),
        ("failed to get device list: info query timed out", "whatsapp_timeout"),
        ("you're not participating in that group", "whatsapp_refused"),
        ("something new", "engine_error"),
    ],
)
def test_refused_sends_have_a_code(text, code):
    """An error before the message was written, or the server's answer, is a failure."""
    error = send_error(text)
    assert isinstance(error, SendFailed)
    assert error.code == code


@pytest.mark.parametrize(
    "text",
    [
        "timed out waiting for message send response",
        "websocket disconnected before message send returned response",
        "websocket disconnected before message send (retry) returned response",
        "websocket not connected",
        "write tcp 10.0.0.1:1: broken pipe",
    ],
)
def test_an_unconfirmed_message_is_uncertain(text):
    """Once the message was written, a lost answer leaves its outcome open."""
    assert isinstance(send_error(text), SendUncertain)


def test_addresses_are_not_repeated():
    """The library's texts quote addresses; ours never do."""
    for text in ("no LID found for 5511999@s.whatsapp.net from server", "odd 5511999"):
        assert "5511999" not in send_error(text).detail
        assert "5511999" not in call_error(text).detail


@pytest.mark.parametrize(
    ("text", "codes", "code"),
    [
        ("that group does not exist", {}, "group_not_found"),
        ("that group invite link has been revoked", {}, "invite_revoked"),
        ("info query returned status 403: forbidden", {}, "whatsapp_refused"),
        ("info query returned status 403: forbidden", {403: "not_group_admin"}, "not_group_admin"),
        (
            "graphql error: 404 gone (CRITICAL)",
            {404: "newsletter_not_found"},
            "newsletter_not_found",
        ),
        ("info query returned status 429: rate-overlimit", {403: "x"}, "rate_limited"),
        ("info query timed out", {}, "whatsapp_timeout"),
    ],
)
def test_the_same_number_means_what_the_call_says(text, codes, code):
    """WhatsApp answers with few numbers: a call says what they mean to it."""
    assert call_error(text, codes).code == code
