"""Reports: one event log, folded into one report, shown in several formats."""
