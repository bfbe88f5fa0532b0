"""Cetrus for programs: sign in once, launch on a lease, and never be taken down by it."""

import logging

from cetrus.borrowed import BorrowedLaunch
from cetrus.client import Client
from cetrus.errors import (
    BadRelease,
    CetrusError,
    NotInstalled,
    Problem,
    Refused,
    SignInDenied,
    SignInExpired,
    SignInNeeded,
    StateTrouble,
    Unreachable,
    UnsafeArchive,
    Unverified,
)
from cetrus.keeper import Events
from cetrus.launch import Launch
from cetrus.leases import Lease, Offer, Outage, Quote, Receipt, Screen, Verdict
from cetrus.session import Session
from cetrus.signing_in import DeviceCode, begin_sign_in, finish_sign_in
from cetrus.wire import VERSION

__version__ = VERSION
# What is logged is the program's to show: by itself nothing is printed on its stderr.
logging.getLogger("cetrus").addHandler(logging.NullHandler())
__all__ = [
    "BadRelease",
    "BorrowedLaunch",
    "CetrusError",
    "Client",
    "DeviceCode",
    "Events",
    "Launch",
    "Lease",
    "NotInstalled",
    "Offer",
    "Outage",
    "Problem",
    "Quote",
    "Receipt",
    "Refused",
    "Screen",
    "Session",
    "SignInDenied",
    "SignInExpired",
    "SignInNeeded",
    "StateTrouble",
    "Unreachable",
    "UnsafeArchive",
    "Unverified",
    "Verdict",
    "begin_sign_in",
    "finish_sign_in",
]
