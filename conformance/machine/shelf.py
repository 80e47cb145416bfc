"""The model of prompts, and of personalizations: what each user has saved under each name."""

from collections.abc import Sequence

from pollux.conformance.machine.blame import Blame, excerpt


class Shelf:
    """What all users have saved, and what a reading of it must give (api_v1 2.6).

    A personalization is known by one of its texts. No text is saved twice, so that a wrong
    one tells where it comes from.

    Args:
        rules: What the ids of the requirements begin with: ``PROMPT`` or ``PERSONALIZATION``.
    """

    def __init__(self, rules: str) -> None:
        self.rules = rules
        self._saved: dict[tuple[int, str], list[str]] = {}
        self._refused: set[tuple[int, str]] = set()

    def rule(self, name: str) -> str:
        """Return the id of the requirement NAME of this kind."""
        return f"{self.rules}-{name}"

    def save(self, user: int, name: str, text: str) -> None:
        """Note that a save was accepted."""
        self._saved.setdefault((user, name), []).append(text)
        self._refused.discard((user, name))

    def refuse(self, user: int, name: str) -> None:
        """Note that a save was refused: it has no effect (api_v1 1.12)."""
        self._refused.add((user, name))

    def text(self, user: int, name: str) -> str | None:
        """Return what USER has under NAME, or None."""
        versions = self._saved.get((user, name))
        return versions[-1] if versions else None

    def names(self, user: int) -> list[str]:
        """Return the names under which USER has saved something, in order."""
        return sorted(name for owner, name in self._saved if owner == user)

    def is_others(self, user: int, name: str) -> bool:
        """Tell whether another user has something under NAME, and USER has not."""
        owners = {owner for owner, known in self._saved if known == name}
        return bool(owners) and user not in owners

    def rules_of_reading(self, user: int, name: str) -> list[str]:
        """Return the ids of the rules that a right answer to reading NAME keeps."""
        if self.text(user, name) is None:
            others = self.is_others(user, name)
            return [f"ISOLATION-{self.rules}-READ" if others else self.rule("UNKNOWN")]
        rules = [self.rule("GET-SHAPE"), self.rule("SAVE-REPLACES"), self.rule("ROUND-TRIP")]
        if sum(known == name for _, known in self._saved) > 1:
            rules.append(f"ISOLATION-{self.rules}-WRITE")
        if (user, name) in self._refused:
            rules.append("REFUSED-NO-NAMED-TEXT")
        return rules

    def blame_reading(self, user: int, name: str, status: int, found: object) -> Blame | None:
        """Return what is wrong with the answer to reading NAME, if anything is.

        Args:
            user: Who reads.
            name: The name.
            status: The status of the answer.
            found: The text in the answer.
        """
        text = self.text(user, name)
        if text is None:
            if status == 404:
                return None
            shown = f"{status}, {excerpt(found)}" if status == 200 else f"{status}"
            return Blame(self._rule_of_unknown(user, name, status), "404", shown)
        if status != 200:
            return Blame(self.rule("GET-SHAPE"), "200", f"{status}")
        if found == text:
            return None
        return Blame(self._rule_of_text(user, name, found), excerpt(text), excerpt(found))

    def blame_list(self, user: int, found: Sequence[str]) -> Blame | None:
        """Return what is wrong with a list of names, if anything is.

        Args:
            user: Whose list it is.
            found: Those of the names in it that are this model's.
        """
        wanted = self.names(user)
        shown = ", ".join(found) or "none of them"
        expected = ", ".join(wanted) or "none of this sequence"
        for name in set(found).difference(wanted):
            rule = self.rule("LIST-COMPLETE")
            if self.is_others(user, name):
                rule = f"ISOLATION-{self.rules}-READ"
            elif (user, name) in self._refused:
                rule = "REFUSED-NO-NAMED-TEXT"
            return Blame(rule, expected, shown)
        if sorted(found) != wanted:
            return Blame(self.rule("LIST-COMPLETE"), f"each once: {expected}", shown)
        if list(found) != wanted:
            return Blame(self.rule("LIST-SORTED"), expected, shown)
        return None

    def _rule_of_unknown(self, user: int, name: str, status: int) -> str:
        if status == 200 and (user, name) in self._refused:
            return "REFUSED-NO-NAMED-TEXT"
        if status == 200 and self.is_others(user, name):
            return f"ISOLATION-{self.rules}-READ"
        return self.rule("UNKNOWN")

    def _rule_of_text(self, user: int, name: str, found: object) -> str:
        if (user, name) in self._refused:
            return "REFUSED-NO-NAMED-TEXT"
        if found in self._saved[user, name]:
            return self.rule("SAVE-REPLACES")
        if any(found in texts for (owner, _), texts in self._saved.items() if owner != user):
            return f"ISOLATION-{self.rules}-WRITE"
        return self.rule("ROUND-TRIP")
