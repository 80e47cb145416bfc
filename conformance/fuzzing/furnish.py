"""Makes what generated requests can be about."""

from pollux.conformance.file_area import FileArea
from pollux.conformance.fuzzing.trial import Trial
from pollux.conformance.fuzzing.world import World
from pollux.conformance.named import items_of
from pollux.conformance.stage import Stage

_PROMPT = "Be brief."
_PREFERENCES = {"tone": "calm"}


def world_of(stage: Stage) -> World:
    """Make one of each thing but a task for the first user, as far as the target lets it.

    What cannot be made is left out: other checks say so.
    """
    user, world = stage.user, World(stage.name())
    name = f"known-{world.mark}"
    made = user.api.create_conversation({}).payload.get("conversation_id")
    if isinstance(made, str):
        user.made(made)
        world.conversations.add(made)
    if user.api.save_prompt(name, _PROMPT).ok:
        world.prompts[name] = _PROMPT
    saved = user.api.save_personalization(name, _PREFERENCES)
    if saved.ok:
        world.personalizations[name] = saved.payload.get("content")
    models = items_of(user.api.list_models())
    world.models |= {key for item in models if isinstance(key := item.get("model_key"), str)}
    return world


def with_files(trial: Trial, area: FileArea) -> None:
    """Put a file into the folder of the world.

    Raises:
        CannotVerifyError: when it is not accepted.
    """
    world = trial.world
    stored = area.put("known.txt", dir=f"{world.mark}/known")
    world.files[stored.path] = stored.content
    world.folders.add(stored.path.rpartition("/")[0])


def with_task(trial: Trial, stage: Stage) -> None:
    """Run a task to its end.

    Raises:
        CannotVerifyError: when the target does not run one.
    """
    task = stage.user.start()
    task.end()
    trial.world.tasks.add(task.id)
    trial.world.conversations = {task.conversation_id}
    trial.aftermath.knows(task.id, task.poll(0).exchange)
