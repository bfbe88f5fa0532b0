"""What an application is for, in one word of a closed list; a browser may remember the last one.

The word lives in that browser's cookie and nowhere else (PS-22): it is no key to a person.
"""

from __future__ import annotations

INTERESTS = (
    "drawing", "engineering", "finance", "geography", "learning", "measuring", "medicine", "music",
    "office", "other", "photography", "programming", "science", "statistics", "video", "writing",
)  # fmt: skip
OTHER = "other"
OFF = "off"
MOST = 64  # values that the cookie may hold: too few to tell people apart
