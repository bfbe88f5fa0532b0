"""The controls that stand in for people and banks: checkouts, disputes, and starting afresh."""

from infra.local.processor import cards, checkout, disputes, hostility
from infra.local.processor.desk import Desk, text
from infra.local.processor.errors import ApiError, CardError, JsonObject
from infra.local.processor.world import World

_SAMPLE_EXPIRY = (12, 2034)


def sessions(desk: Desk, _given: JsonObject, _id: str) -> JsonObject:
    with desk.store.transaction():
        sessions = [desk.world.public(one) for one in desk.store.open_sessions()]
    return {"sessions": sessions}


def complete(desk: Desk, given: JsonObject, _id: str) -> JsonObject:
    """What a person would do on the hosted page, without a browser."""
    card = _card(str(given.get("card") or "succeeds"))
    with desk.store.transaction():
        session = desk.world.get("checkout.session", text(given, "session"), "session")
        if session["status"] == "complete":
            return _completed(session)
        if given.get("later") is True:
            checkout.submit_later(desk.world, session, card)
            return _completed(session)
        return _try_card(desk.world, session, card, given.get("confirm") is not False)


def _try_card(world: World, session: JsonObject, card: cards.Card, confirmed: bool) -> JsonObject:
    # A decline is a fact that is kept, so it must not leave the transaction as an error.
    try:
        checkout.submit(world, session, card)
        if session["status"] == "open":
            checkout.authenticate(world, session, confirmed=confirmed)
    except CardError as declined:
        return {
            "completed": False,
            "status": session["status"],
            "redirect": None,
            "decline": {
                name: declined.error.get(name) for name in ("code", "decline_code", "message")
            },
        }
    return _completed(session)


def settle(desk: Desk, given: JsonObject, object_id: str) -> JsonObject:
    """What a bank decides of a payment that was to come later."""
    with desk.store.transaction():
        session = desk.world.get("checkout.session", object_id, "session")
        checkout.settle(desk.world, session, taken=given.get("taken") is not False)
        return {"session": desk.world.public(session)}


def _completed(session: JsonObject) -> JsonObject:
    return {
        "completed": True,
        "status": session["status"],
        "redirect": checkout.return_url(session),
        "decline": None,
    }


def _card(given: str) -> cards.Card:
    number = cards.number_for(given) or given
    card = cards.read_card(number, *_SAMPLE_EXPIRY)
    if card is None:
        raise ApiError("card is a test card's number or the name of a behavior.", param="card")
    return card


def list_disputes(desk: Desk, _given: JsonObject, _id: str) -> JsonObject:
    with desk.store.transaction():
        return {"disputes": desk.store.newest("dispute")}


def open_dispute(desk: Desk, given: JsonObject, _id: str) -> JsonObject:
    with desk.store.transaction():
        charge = desk.world.get("charge", text(given, "charge"), "charge")
        reason = str(given.get("reason") or "fraudulent")
        status = str(given.get("status") or "needs_response")
        return {"dispute": disputes.create(desk.world, charge, reason, status)}


def move_dispute(desk: Desk, given: JsonObject, object_id: str) -> JsonObject:
    with desk.store.transaction():
        dispute = desk.world.get("dispute", object_id)
        return {"dispute": disputes.move(desk.world, dispute, text(given, "status"))}


def reset(desk: Desk, _given: JsonObject, _id: str) -> JsonObject:
    with desk.courier.paused(), desk.store.transaction():
        desk.store.forget()
        desk.store.set("hostility", hostility.Hostility().public())
    return {"reset": True}
