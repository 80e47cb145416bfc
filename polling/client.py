"""The polling client: one thin typed method for each of the 18 operations of API v1."""

from collections.abc import Mapping
from typing import Any

from pollux.polling.exchange import Exchange, FormPart
from pollux.polling.http import LEFT_OUT, HttpClient, segment


class ApiClient(HttpClient):
    """Speaks API v1 for one user; see :class:`HttpClient` for what is said to it.

    A method sends one request and returns what came, whatever its status.
    """

    # -- conversations ------------------------------------------------------------------

    def create_conversation(self, body: Any = LEFT_OUT) -> Exchange:
        """Create a conversation (api_v1 2.1)."""
        return self.request("POST", "/conversations", operation="createConversation", body=body)

    def list_conversations(
        self, *, limit: int | str | None = None, offset: int | str | None = None
    ) -> Exchange:
        """List conversations, newest change first (api_v1 2.1)."""
        return self.request(
            "GET",
            "/conversations",
            operation="listConversations",
            query=_given(limit=limit, offset=offset),
        )

    def get_conversation(self, conversation_id: str, *, full: bool = False) -> Exchange:
        """Read a conversation; with FULL its messages, too (api_v1 2.1)."""
        return self.request(
            "GET",
            f"/conversations/{segment(conversation_id)}",
            operation="getConversation",
            query={"full": "1"} if full else {},
        )

    def delete_conversation(self, conversation_id: str) -> Exchange:
        """Delete a conversation (api_v1 2.1)."""
        return self.request(
            "DELETE",
            f"/conversations/{segment(conversation_id)}",
            operation="deleteConversation",
        )

    # -- messages and tasks -------------------------------------------------------------

    def send_message(self, message: str, **fields: Any) -> Exchange:
        """Send MESSAGE and so start a task; FIELDS are further body fields (api_v1 2.2)."""
        return self.request(
            "POST", "/messages", operation="sendMessage", body={"message": message, **fields}
        )

    def poll_task(self, task_id: str, from_: int | str | None = None) -> Exchange:
        """Read the events of a task from an idx on; None sends no ``from`` (api_v1 2.3)."""
        return self.request(
            "GET",
            f"/tasks/{segment(task_id)}",
            operation="pollTask",
            query={} if from_ is None else {"from": str(from_)},
        )

    def cancel_task(self, task_id: str) -> Exchange:
        """Ask for the end of a task (api_v1 2.3)."""
        return self.request("POST", f"/tasks/{segment(task_id)}/cancel", operation="cancelTask")

    # -- files --------------------------------------------------------------------------

    def upload_file(
        self,
        content: bytes,
        name: str,
        *,
        filename: str | None = None,
        dir: str | None = None,
    ) -> Exchange:
        """Upload CONTENT as the multipart file NAME; the rest are form fields (api_v1 2.5)."""
        parts = [FormPart("file", content, name)]
        parts += [
            FormPart(field, value.encode())
            for field, value in (("filename", filename), ("dir", dir))
            if value is not None
        ]
        return self.request("POST", "/files/upload", operation="uploadFile", form=parts)

    def list_files(self, path: str | None = None) -> Exchange:
        """List a folder; None sends no ``path`` (api_v1 2.5)."""
        return self.request(
            "GET", "/files", operation="listFiles", query={} if path is None else {"path": path}
        )

    def download_file(self, path: str | None) -> Exchange:
        """Download a file, or a folder as a zip; None sends no ``path`` (api_v1 2.5)."""
        return self.request(
            "GET",
            "/files/download",
            operation="downloadFile",
            query={} if path is None else {"path": path},
        )

    # -- prompts and personalizations ---------------------------------------------------

    def list_prompts(self) -> Exchange:
        """List the prompts (api_v1 2.6)."""
        return self.request("GET", "/prompts", operation="listPrompts")

    def save_prompt(self, name: str, content: Any = LEFT_OUT) -> Exchange:
        """Create or replace a prompt (api_v1 2.6)."""
        return self.request(
            "POST",
            "/prompts",
            operation="savePrompt",
            body=_present({"name": name, "content": content}),
        )

    def get_prompt(self, name: str) -> Exchange:
        """Read a prompt (api_v1 2.6)."""
        return self.request("GET", f"/prompts/{segment(name)}", operation="getPrompt")

    def list_personalizations(self) -> Exchange:
        """List the personalizations (api_v1 2.6)."""
        return self.request("GET", "/personalizations", operation="listPersonalizations")

    def save_personalization(self, name: str, content: Any = LEFT_OUT) -> Exchange:
        """Create or replace a personalization (api_v1 2.6)."""
        return self.request(
            "POST",
            "/personalizations",
            operation="savePersonalization",
            body=_present({"name": name, "content": content}),
        )

    def get_personalization(self, name: str) -> Exchange:
        """Read a personalization (api_v1 2.6)."""
        return self.request(
            "GET", f"/personalizations/{segment(name)}", operation="getPersonalization"
        )

    # -- models and health --------------------------------------------------------------

    def list_models(self) -> Exchange:
        """List the models (api_v1 2.7)."""
        return self.request("GET", "/models", operation="listModels")

    def health(self, *, timeout: float | None = None) -> Exchange:
        """Ask whether the server is up (api_v1 2.7)."""
        return self.request("GET", "/health", operation="health", timeout=timeout)


def _given(**parameters: int | str | None) -> dict[str, str]:
    return {name: str(value) for name, value in parameters.items() if value is not None}


def _present(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not LEFT_OUT}
