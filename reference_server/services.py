"""What a request can reach: the objects that one application owns."""

from dataclasses import dataclass

from pollux.reference_server.config import ServerConfig
from pollux.reference_server.models import ModelCatalogue
from pollux.reference_server.spaces import UserSpaces
from pollux.reference_server.tasks import TaskRegistry
from pollux.reference_server.users import UserStore


@dataclass(frozen=True)
class Services:
    """The stores and the task registry of one application."""

    config: ServerConfig
    users: UserStore
    spaces: UserSpaces
    tasks: TaskRegistry
    models: ModelCatalogue
