"""Faults: what goes wrong between a replay and its clients, and when; see docs/faults.md."""

from pollux.replay.faults.grammar import FaultSyntaxError, parse_rules
from pollux.replay.faults.rules import Rule, RuleSet

__all__ = ["FaultSyntaxError", "Rule", "RuleSet", "parse_rules"]
