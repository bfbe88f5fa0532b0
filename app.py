"""The front door: the app, its blueprints, and a shim for every scheduled or queue handler.

Handlers are declared here and nowhere else, so that `app.py` is what every function imports.
"""

from __future__ import annotations

from typing import Any

from chalice import ConvertToMiddleware, Cron, Rate

from chalicelib import wiring
from chalicelib.accounts.account_routes import routes as account_pages
from chalicelib.accounts.choice_routes import routes as choices
from chalicelib.accounts.email_routes import routes as email_pages
from chalicelib.accounts.routes import notice, person
from chalicelib.accounts.routes import routes as accounts
from chalicelib.accounts.session_routes import routes as session_pages
from chalicelib.cases import wiring as hearing
from chalicelib.cases.routes import routes as cases
from chalicelib.catalog.routes import routes as catalog
from chalicelib.contract.routes import routes as contract
from chalicelib.downloads.routes import routes as downloads
from chalicelib.edge import access
from chalicelib.edge.app import Cetrus
from chalicelib.edge.site import routes as site
from chalicelib.identity.routes import program as application
from chalicelib.identity.routes import routes as identity
from chalicelib.licenses.account_routes import routes as computers
from chalicelib.licenses.member_routes import routes as people
from chalicelib.licenses.routes import routes as licenses
from chalicelib.mailings.routes import routes as mailings
from chalicelib.notices.routes import routes as notices
from chalicelib.observability import logger, observed
from chalicelib.partners.routes import routes as partners
from chalicelib.payments.routes import routes as payments
from chalicelib.payments.subscription_routes import routes as subscriptions
from chalicelib.privacy import practices
from chalicelib.privacy import wiring as records
from chalicelib.privacy.cookie_routes import routes as cookies
from chalicelib.privacy.inventory_routes import routes as inventory
from chalicelib.privacy.proof_routes import routes as proof
from chalicelib.privacy.publishing_routes import routes as publishing
from chalicelib.privacy.routes import routes as privacy
from chalicelib.rights.correct_routes import routes as corrections
from chalicelib.rights.routes import routes as rights
from chalicelib.staff.routes import member
from chalicelib.staff.routes import routes as staff
from chalicelib.usage.routes import routes as usage
from chalicelib.vendors.routes import program
from chalicelib.vendors.routes import routes as vendors
from chalicelib.visits.routes import routes as visits

app = Cetrus(app_name="cetrus", configure_logs=False)
app.log = logger
# Lambda's own request id, never the gateway's, by which visits could be joined to lines (PS-31).
app.register_middleware(ConvertToMiddleware(logger.inject_lambda_context(clear_state=True)), "all")
app.register_middleware(observed, "all")

for routes in (
    site, cases, accounts, account_pages, session_pages, email_pages, catalog, payments,
    subscriptions, downloads, vendors, identity, licenses, computers, people, usage, contract,
    notices, choices, staff, mailings, visits, inventory, privacy, cookies, publishing,
    partners,
    proof, rights, corrections,
):  # fmt: skip
    app.register_blueprint(routes)

access.resolve_with(
    {
        access.Rule.PERSON: person,
        access.Rule.APPLICATION: application,
        access.Rule.VENDOR: program,
        access.Rule.STAFF: member,
    }
)
access.notice_with(notice)


@app.on_sqs_message(queue_arn="arn:merged", batch_size=10, name="mail_sender")
def mail_sender(event: Any) -> Any:
    """Send the outbox messages that the queue names; what failed stays in the queue."""
    return wiring.mailer().handle_batch(event.to_dict(), event.context)


@app.on_sqs_message(queue_arn="arn:merged", batch_size=10, name="mail_feedback")
def mail_feedback(event: Any) -> Any:
    """Take in what bounced or was called spam; what failed stays in the queue."""
    return wiring.mail_feedback().handle_batch(event.to_dict(), event.context)


@app.schedule(Rate(5, unit=Rate.MINUTES), name="mail_planner")
def mail_planner(event: Any) -> Any:
    """Write the mails that come due this morning, wherever it is one."""
    return wiring.mail_planner().run()


@app.schedule(Rate(1, unit=Rate.MINUTES), name="mail_sweep")
def mail_sweep(event: Any) -> Any:
    """Send what is due in the outbox, nudged or not."""
    return wiring.mailer().sweep()


@app.schedule(Rate(5, unit=Rate.MINUTES), name="mailing_planner")
def mailing_planner(event: Any) -> Any:
    """Write the messages of the mailings whose instant has come, one a person."""
    return wiring.mailing_planner().run()


@app.schedule(Rate(1, unit=Rate.MINUTES), name="campaign_sweep")
def campaign_sweep(event: Any) -> Any:
    """Send the offers and the partner mail that are due, to those who still want them."""
    return wiring.campaign_mailer().sweep()


@app.on_sqs_message(queue_arn="arn:merged", batch_size=10, name="payment_worker")
def payment_worker(event: Any) -> Any:
    """Process the processor's events that the inbox holds; what failed stays in the queue."""
    return wiring.payments().handle_batch(event.to_dict(), event.context)


@app.schedule(Rate(15, unit=Rate.MINUTES), name="payment_sweep")
def payment_sweep(event: Any) -> Any:
    """Fulfill what no webhook told us of, and finish what a crash left."""
    return wiring.payments().sweep()


@app.schedule(Rate(15, unit=Rate.MINUTES), name="renewal_sweep")
def renewal_sweep(event: Any) -> Any:
    """Charge the subscriptions whose period is over, and end those that are canceled or unpaid."""
    return wiring.renewals().sweep()


@app.schedule(Rate(5, unit=Rate.MINUTES), name="license_sweep")
def license_sweep(event: Any) -> Any:
    """Close the leases that expired, finish suspensions, and total the usage by day."""
    return wiring.license_sweep().run()


@app.schedule(Rate(1, unit=Rate.HOURS), name="event_log")
def event_log(event: Any) -> Any:
    """Write what ran and what was refused to the license and usage logs."""
    return wiring.event_log().run(event.context.get_remaining_time_in_millis)


@app.schedule(Rate(15, unit=Rate.MINUTES), name="account_sweep")
def account_sweep(event: Any) -> Any:
    """End the accounts that nobody confirmed, and the addresses that were kept for a while."""
    return wiring.cleanup().run(event.context.get_remaining_time_in_millis)


@app.schedule(Rate(5, unit=Rate.MINUTES), name="erasure_sweep")
def erasure_sweep(event: Any) -> Any:
    """Erase who asked for it, finish what a crash left, and tell whoever else holds something."""
    from chalicelib.rights.wiring import rights_sweep

    return rights_sweep().run(event.context.get_remaining_time_in_millis)


@app.schedule(Rate(15, unit=Rate.MINUTES), name="visit_rollup")
def visit_rollup(event: Any) -> Any:
    """Turn each file of the visitor logs into the day's counters, once, and delete it."""
    return wiring.visit_rollup().run(event.context.get_remaining_time_in_millis)


@app.schedule(Rate(1, unit=Rate.HOURS), name="visit_sweep")
def visit_sweep(event: Any) -> Any:
    """Delete what of visits has reached its term, raw files first."""
    return wiring.visit_sweep().run()


@app.schedule(Rate(1, unit=Rate.HOURS), name="ledger_heads")
def ledger_heads(event: Any) -> Any:
    """Sign what the ledger held when the last hour ended, and lock it away."""
    return records.head_maker().run()


@app.schedule(Rate(15, unit=Rate.MINUTES), name="policy_notices")
def policy_notices(event: Any) -> Any:
    """Tell people of a policy that was published, where it touches them; and staff of each."""
    return wiring.policy_notices().run(event.context.get_remaining_time_in_millis)


@app.schedule(Rate(1, unit=Rate.HOURS), name="case_sweep")
def case_sweep(event: Any) -> Any:
    """Acknowledge, alert and escalate the cases that nobody has closed."""
    return hearing.case_sweep().run()


@app.schedule(Rate(1, unit=Rate.DAYS), name="staff_reminders")
def staff_reminders(event: Any) -> Any:
    """Remind those who work here, once each quarter; a missed run is made up for by the next."""
    return hearing.staff_reminders().run()


@app.schedule(Rate(1, unit=Rate.DAYS), name="partner_report")
def partner_report(event: Any) -> Any:
    """Release last month's file for partners, once, where the year's budget allows it."""
    return wiring.partner_reports().run(event.context.get_remaining_time_in_millis)


@app.schedule(Cron(30, 2, "*", "*", "?", "*"), name="privacy_check")
def privacy_check(event: Any) -> Any:
    """Look whether the live data is as the statement says, and publish what was found."""
    return records.night_check().run()


@app.lambda_function(name="inbound_mail")
def inbound_mail(event: Any, context: Any) -> Any:
    """Take in the mail that the receipt rule put into the bucket."""
    return wiring.inbound_mail().receive(event)


# Last, when all of them are known: none runs of which the statement says nothing (PS-01).
practices.declared(app.functions())
