"""A card processor in Stripe's wire shape, for the one-machine cloud.

`serve(folder)` starts it on a loopback port; the unmodified `stripe` library talks to it through
`stripe.StripeClient(key, base_addresses={"api": handle.url})`. README.md says what it is not.
"""

from infra.local.processor.handle import Handle, serve
from infra.local.processor.keys import CHECKOUT, EVERYTHING, WORKER

__all__ = ["CHECKOUT", "EVERYTHING", "WORKER", "Handle", "serve"]
