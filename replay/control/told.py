"""What the control API tells of a session and of a recording, as JSON data."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from pollux.replay.play import Play
from pollux.replay.playlist import Track
from pollux.replay.session import Session

Json = dict[str, Any]


def state(session: Session, about: Mapping[str, Any]) -> Json:
    """Return what is going on in a session.

    Args:
        session: The session.
        about: What is the same for all sessions.
    """
    return {
        **about,
        "session": session.id,
        "recordings": session.playlist.names(),
        "recording": session.only,
        "choose": session.choose,
        "playing": session.playing,
        "speed": session.speed,
        "loop": session.loop,
        "breakpoints": [breakpoint.text for breakpoint in session.breakpoints],
        "requests": session.journal.added,
        "tasks": [task(play) for play in session.plays()],
    }


def task(play: Play) -> Json:
    """Return where a task stands."""
    moment = play.moment
    stop = moment.stop
    return {
        "task_id": play.task_id,
        "conversation_id": play.conversation_id,
        "recording": play.name,
        "message": play.message.get("message"),
        "status": moment.state.status,
        "gone": moment.state.gone,
        "next_idx": moment.state.head,
        "window_start": moment.window_start,
        "ring": play.ring,
        "position_ms": round(moment.position_ms),
        "playing": moment.playing,
        "polls_left": moment.polls_left,
        "own_end": moment.own_end,
        "stopped_at": None if stop is None else {"breakpoint": stop.breakpoint, "idx": stop.idx},
    }


def recording(track: Track, budget: int | None) -> Json:
    """Return a recording at a glance; see :meth:`pollux.replay.overview.Overview.as_dict`."""
    header = track.timeline.header
    return {
        "name": track.name,
        "ring": track.ring,
        "header": {key: value for key, value in header.fields.items() if key != "conversation"},
        **track.overview.as_dict(budget),
    }


def events(track: Track, begin: int, limit: int) -> Json:
    """Return up to LIMIT events of a recording from idx BEGIN on.

    ``next`` is the idx to go on from, or None when there are no more.
    """
    page: list[Json] = []
    told: Iterator[tuple[int, bytes]] = track.timeline.told(begin)
    for at_ms, raw in told:
        event = json.loads(raw)
        if len(page) == limit:
            return {"events": page, "next": event["idx"]}
        page.append({"at_ms": at_ms, "event": event})
    return {"events": page, "next": None}
