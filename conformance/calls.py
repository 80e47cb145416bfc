"""One good request for each operation, for checks that change one thing of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from pollux.conformance.stage import Stage, Task
from pollux.polling.client import ApiClient
from pollux.polling.exchange import Exchange, FormPart
from pollux.polling.http import LEFT_OUT, segment

#: Operations that take a JSON body.
JSON_OPERATIONS = ("createConversation", "sendMessage", "savePrompt", "savePersonalization")


@dataclass(frozen=True)
class Call:
    """A request, ready to be sent by any client.

    Attributes:
        operation: Its operation id.
        method: HTTP method.
        path: Path below ``/api/v1``.
        query: Parameters.
        body: JSON body.
        form: Parts of a multipart body.
        success: The status of its success.
    """

    operation: str
    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    body: Any = LEFT_OUT
    form: tuple[FormPart, ...] = ()
    success: int = 200

    def send(self, client: ApiClient, **changes: Any) -> Exchange:
        """Send the request; CHANGES are parameters of :meth:`HttpClient.request`."""
        arguments: dict[str, Any] = {"query": self.query, "form": self.form}
        if self.body is not LEFT_OUT and "content" not in changes:
            arguments["body"] = self.body
        return client.request(
            self.method, self.path, operation=self.operation, **(arguments | changes)
        )

    def with_fields(self, **fields: Any) -> "Call":
        """Return the call with further FIELDS in its JSON body."""
        body = {} if self.body is LEFT_OUT else self.body
        return replace(self, body={**body, **fields})


def good_calls(stage: Stage) -> tuple[dict[str, Call], Task]:
    """Make one object of each kind for the first user, and return a call for each operation.

    Returns:
        The calls by operation id, in an order in which all of them succeed (what may end the
        life of another's object comes last), and the finished task that some are about.
    """
    user = stage.user
    task = user.start()
    task.end()
    conversation = segment(task.conversation_id)
    spare = segment(user.conversation())
    name = stage.name()
    # Text files are the type that a server is least likely to refuse.
    upload = FormPart("file", f"{name}\n".encode(), f"{name}.txt")
    calls = [
        Call("createConversation", "POST", "/conversations", body={}),
        Call("listConversations", "GET", "/conversations", {"limit": "5"}),
        Call("getConversation", "GET", f"/conversations/{conversation}"),
        Call("pollTask", "GET", f"/tasks/{segment(task.id)}", {"from": "0"}),
        Call("cancelTask", "POST", f"/tasks/{segment(task.id)}/cancel"),
        Call("uploadFile", "POST", "/files/upload", form=(upload,)),
        Call("listFiles", "GET", "/files"),
        Call("downloadFile", "GET", "/files/download", {"path": f"{name}.txt"}),
        Call("listPrompts", "GET", "/prompts"),
        Call("savePrompt", "POST", "/prompts", body={"name": name, "content": "A prompt."}),
        Call("getPrompt", "GET", f"/prompts/{name}"),
        Call("listPersonalizations", "GET", "/personalizations"),
        Call(
            "savePersonalization",
            "POST",
            "/personalizations",
            body={"name": name, "content": {"tone": "calm"}},
        ),
        Call("getPersonalization", "GET", f"/personalizations/{name}"),
        Call(
            "sendMessage", "POST", "/messages", body={"message": stage.short_message()}, success=202
        ),
        Call("deleteConversation", "DELETE", f"/conversations/{spare}"),
    ]
    return {call.operation: call for call in calls}, task
