"""The settings of one reference server."""

from dataclasses import dataclass, field
from pathlib import Path

MEBIBYTE = 1024 * 1024


@dataclass(frozen=True)
class RetryPolicy:
    """How a model call that failed for a passing reason is tried again.

    Tried again are connection errors, broken or malformed streams, and the statuses
    408, 409, 429 and 5xx.

    Attributes:
        max_attempts: Calls in all, the first one included.
        first_delay: Seconds before the second call; doubled for each further one.
        max_delay: Seconds, the most that is waited, a ``Retry-After`` of the model included.
    """

    max_attempts: int = 4
    first_delay: float = 0.25
    max_delay: float = 10.0

    def delay(self, attempt: int, retry_after: float | None) -> float:
        """Return the seconds to wait after the failed attempt number ATTEMPT (from 1)."""
        wanted = self.first_delay * 2 ** (attempt - 1) if retry_after is None else retry_after
        return min(max(wanted, 0.0), self.max_delay)


@dataclass(frozen=True)
class ServerConfig:
    """What one server is told at its start.

    Attributes:
        data_dir: Folder of all that is kept; made when it is absent.
        buffer_size: Events kept per task (api_v1 2.3.6).
        max_upload_bytes: Largest file that is taken (api_v1 2.5).
        max_json_bytes: Largest JSON body that is taken.
        task_retention: Seconds that a finished task stays readable (api_v1 2.3.11).
        max_finished_tasks: Finished tasks kept per user; the oldest go first.
        max_running_tasks: Tasks running at one time, of all users; more are refused with 503.
        retry: What is done when the model does not answer.
        model_timeout: Seconds without a byte after which a model call counts as failed.
    """

    data_dir: Path
    buffer_size: int = 1000
    max_upload_bytes: int = 50 * MEBIBYTE
    max_json_bytes: int = 4 * MEBIBYTE
    task_retention: float = 3600.0
    max_finished_tasks: int = 200
    max_running_tasks: int = 64
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    model_timeout: float = 120.0
