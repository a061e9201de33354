"""Callbacks as signed HTTP requests, and which addresses they may go to."""

from agent_adapters.webhook.address_policy import AddressPolicy
from agent_adapters.webhook.callback_url import callback_url_problem
from agent_adapters.webhook.signed_webhook import SignedWebhook
from agent_adapters.webhook.signer import SignatureFormat, Signer

__all__ = ["AddressPolicy", "SignatureFormat", "SignedWebhook", "Signer", "callback_url_problem"]
