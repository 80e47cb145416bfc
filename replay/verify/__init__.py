"""Judges clients of API v1 by what they ask of a replay, and by what they show."""

from pollux.replay.verify.judge import judge
from pollux.replay.verify.outcome import End, Facts, Level, Outcome, Result
from pollux.replay.verify.rules import RULES, Rule

__all__ = ["RULES", "End", "Facts", "Level", "Outcome", "Result", "Rule", "judge"]
