"""The OpenAPI document keeps its promises: operations, statuses, examples, links."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import schemathesis
from openapi_spec_validator import validate
from schemathesis.config import SchemathesisConfig
from schemathesis.core.result import Ok

from pollux.schemas.openapi import (
    API_PREFIX,
    Operation,
    json_schema,
    load_openapi,
    operations,
    request_schema,
    response_schema,
)
from tests.schemas.openapi_document import (
    DOCUMENT,
    OPERATIONS,
    answers,
    definition,
    examples,
    good_answer,
    parameters,
    resolve,
    validator,
)

# Operation, method, path, every documented status, whether it needs a token.
CONTRACT = [
    ("createConversation", "POST", "/conversations", "200 400 401 404 413 415 503", True),
    ("listConversations", "GET", "/conversations", "200 400 401 503", True),
    ("getConversation", "GET", "/conversations/{conversation_id}", "200 400 401 404 503", True),
    (
        "deleteConversation",
        "DELETE",
        "/conversations/{conversation_id}",
        "200 400 401 404 409 503",
        True,
    ),
    ("sendMessage", "POST", "/messages", "202 400 401 404 409 413 415 503", True),
    ("pollTask", "GET", "/tasks/{task_id}", "200 400 401 404 503", True),
    ("cancelTask", "POST", "/tasks/{task_id}/cancel", "200 400 401 404 413 503", True),
    ("uploadFile", "POST", "/files/upload", "200 400 401 404 409 413 415 503", True),
    ("listFiles", "GET", "/files", "200 400 401 404 503", True),
    ("downloadFile", "GET", "/files/download", "200 400 401 404 503", True),
    ("listPrompts", "GET", "/prompts", "200 400 401 503", True),
    ("savePrompt", "POST", "/prompts", "200 400 401 413 415 503", True),
    ("getPrompt", "GET", "/prompts/{name}", "200 400 401 404 503", True),
    ("listPersonalizations", "GET", "/personalizations", "200 400 401 503", True),
    ("savePersonalization", "POST", "/personalizations", "200 400 401 413 415 503", True),
    ("getPersonalization", "GET", "/personalizations/{name}", "200 400 401 404 503", True),
    ("listModels", "GET", "/models", "200 400 503", False),
    ("health", "GET", "/health", "200 400 503", False),
]


# ---- the document ------------------------------------------------------------------------------


def test_it_is_valid_openapi_3_0_3() -> None:
    assert DOCUMENT["openapi"] == "3.0.3"
    validate(load_openapi())


def test_it_has_exactly_the_operations_and_statuses_of_the_contract() -> None:
    found = {
        (o.operation_id, o.method, o.path, " ".join(map(str, o.statuses)), o.secured)
        for o in operations()
    }
    assert found == set(CONTRACT)


def test_the_server_is_the_default_address_with_the_prefix_of_api_v1() -> None:
    (server,) = DOCUMENT["servers"]
    url = server["url"].format(origin=server["variables"]["origin"]["default"])
    assert url == "http://localhost:8091" + API_PREFIX


def test_only_models_and_health_do_without_a_bearer_token() -> None:
    scheme = DOCUMENT["components"]["securitySchemes"]["bearerToken"]
    assert (scheme["type"], scheme["scheme"]) == ("http", "bearer")
    assert DOCUMENT["security"] == [{"bearerToken": []}]
    for operation in operations():
        own = definition(operation.operation_id).get("security")
        assert own == ([] if operation.operation_id in ("listModels", "health") else None)


def test_every_group_is_described_and_used() -> None:
    described = [tag["name"] for tag in DOCUMENT["tags"] if tag["description"]]
    assert len(described) == 10
    assert set(described) == {operation.tag for operation in operations()}


def test_every_operation_parameter_and_answer_is_explained() -> None:
    for operation in operations():
        assert definition(operation.operation_id)["description"].strip()
        for parameter in parameters(operation.operation_id).values():
            assert parameter["description"].strip()
    for _, _, answer in answers():
        assert answer["description"].strip()


def test_every_error_is_the_envelope_and_nothing_else() -> None:
    for _, status, answer in answers():
        if status >= 400:
            assert list(answer["content"]) == ["application/json"]
            schema = answer["content"]["application/json"]["schema"]
            assert schema == {"$ref": "#/components/schemas/Failure"}
            assert examples(answer["content"]["application/json"])


def test_headers_are_documented() -> None:
    for operation, status, answer in answers():
        headers = answer["headers"]
        assert ("WWW-Authenticate" in headers) == (status == 401)
        assert "Location" not in headers
        assert "X-Content-Type-Options" in headers
        if operation.operation_id == "downloadFile" and status == 200:
            assert headers["Content-Disposition"]["required"] is True
        else:
            assert "Cache-Control" in headers
            # Only what every server must send may be required (api_v1 1.7 is a SHOULD).
            assert not any(resolve(header).get("required") for header in headers.values())


def test_files_go_up_as_multipart_and_come_down_as_bytes() -> None:
    body = definition("uploadFile")["requestBody"]
    assert list(body["content"]) == ["multipart/form-data"]
    schema = resolve(body["content"]["multipart/form-data"]["schema"])
    assert schema["required"] == ["file"]
    assert schema["properties"]["file"]["format"] == "binary"
    down = definition("downloadFile")["responses"]["200"]["content"]
    for media_type in ("application/octet-stream", "application/zip"):
        assert down[media_type]["schema"]["format"] == "binary"


def test_every_example_fits_its_schema() -> None:
    seen = 0
    for operation, status, answer in answers():
        for media_type, media in answer["content"].items():
            for example in examples(media):
                seen += 1
                validator(response_schema(operation.operation_id, status, media_type)).validate(
                    example
                )
    for operation in operations():
        body = definition(operation.operation_id).get("requestBody")
        for media_type, media in (body or {"content": {}})["content"].items():
            for example in examples(media):
                seen += 1
                validator(request_schema(operation.operation_id, media_type)).validate(example)
        for parameter in parameters(operation.operation_id).values():
            seen += 1
            validator(json_schema(parameter["schema"])).validate(parameter["example"])
    assert seen > 100


def schemas_with_examples(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        if "example" in node:
            yield node
        for value in node.values():
            yield from schemas_with_examples(value)
    elif isinstance(node, list):
        for entry in node:
            yield from schemas_with_examples(entry)


def test_every_example_inside_a_schema_fits_it() -> None:
    found = list(schemas_with_examples(DOCUMENT["components"]["schemas"]))
    assert len(found) > 20
    for schema in found:
        validator(json_schema(schema)).validate(schema["example"])


def test_every_json_answer_and_json_body_has_an_example() -> None:
    for _, _, answer in answers():
        if "application/json" in answer["content"]:
            assert examples(answer["content"]["application/json"])
    for operation in operations():
        body = definition(operation.operation_id).get("requestBody")
        if body and "application/json" in body["content"]:
            assert examples(body["content"]["application/json"])


def patterns(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("pattern"), str):
            yield node["pattern"]
        for value in node.values():
            yield from patterns(value)
    elif isinstance(node, list):
        for entry in node:
            yield from patterns(entry)


def test_patterns_mean_the_same_in_every_regex_engine() -> None:
    found = set(patterns(DOCUMENT))
    assert found
    for pattern in found:
        re.compile(pattern)
        assert "(?" not in pattern  # RE2 has no look-around
        assert "\\d" not in pattern  # any script's digits in Python
        assert "\\w" not in pattern


# ---- links -------------------------------------------------------------------------------------


def links() -> Iterator[tuple[Operation, int, str, dict[str, Any]]]:
    for operation, status, answer in answers():
        for name, link in answer.get("links", {}).items():
            yield operation, status, name, link


def evaluate(expression: Any, source: Operation, status: int) -> Any:
    """Evaluate a runtime expression on the example answer of SOURCE."""
    if isinstance(expression, dict):
        return {key: evaluate(value, source, status) for key, value in expression.items()}
    if isinstance(expression, list):
        return [evaluate(value, source, status) for value in expression]
    if not isinstance(expression, str) or not expression.startswith("$"):
        return expression
    if expression.startswith("$request.path."):
        return parameters(source.operation_id)[expression.removeprefix("$request.path.")]["example"]
    pointer = expression.removeprefix("$response.body#/")
    assert pointer != expression, f"cannot evaluate {expression}"
    schema: Any = response_schema(source.operation_id, status)
    value = good_answer(source.operation_id)
    root = schema
    for key in pointer.split("/"):
        while "$ref" in schema:
            schema = root["$defs"][schema["$ref"].removeprefix("#/$defs/")]
        if key.isdecimal():
            schema, value = schema["items"], value[int(key)]
        else:
            assert key in schema["required"], f"{expression}: {key} may be absent"
            schema, value = schema["properties"][key], value[key]
    return value


def test_links_point_to_operations_and_give_them_what_they_take() -> None:
    found = list(links())
    assert len(found) >= 17
    for source, status, _, link in found:
        target = link["operationId"]
        assert link["description"].strip()
        taken = parameters(target)
        for name, expression in link.get("parameters", {}).items():
            value = evaluate(expression, source, status)
            validator(json_schema(taken[name]["schema"])).validate(value)
        given = set(link.get("parameters", {}))
        assert {name for name, parameter in taken.items() if parameter["required"]} <= given
        if "requestBody" in link:
            body = evaluate(link["requestBody"], source, status)
            validator(request_schema(target)).validate(body)


def test_links_lead_through_the_life_of_a_task_and_of_a_file() -> None:
    edges = {(source.operation_id, link["operationId"]) for source, _, _, link in links()}
    assert {
        ("createConversation", "sendMessage"),
        ("sendMessage", "pollTask"),
        ("pollTask", "pollTask"),
        ("pollTask", "cancelTask"),
        ("cancelTask", "pollTask"),
        ("sendMessage", "deleteConversation"),
        ("deleteConversation", "getConversation"),
        ("uploadFile", "downloadFile"),
        ("uploadFile", "listFiles"),
        ("savePrompt", "getPrompt"),
        ("savePersonalization", "getPersonalization"),
    } <= edges
    (again,) = (
        link for source, _, name, link in links() if source.operation_id == name == "pollTask"
    )
    assert again["parameters"]["from"] == "$response.body#/data/next_offset"


def test_schemathesis_understands_every_operation_and_every_link() -> None:
    schema = schemathesis.openapi.from_dict(load_openapi())
    loaded = [result.ok() for result in schema.get_all_operations() if isinstance(result, Ok)]
    assert {operation.definition.raw["operationId"] for operation in loaded} == set(OPERATIONS)
    understood = [
        name
        for operation in loaded
        for _, response in operation.responses.items()
        for name, _ in response.iter_links()
    ]
    assert sorted(understood) == sorted(name for _, _, name, _ in links())
    assert schema.as_state_machine() is not None


def test_the_configuration_of_schemathesis_fits_the_document() -> None:
    path = Path(__file__).parents[2] / "schemathesis.toml"
    SchemathesisConfig.from_path(path)
    named: list[str] = []
    for entry in tomllib.loads(path.read_text(encoding="utf-8"))["operations"]:
        ids = entry["include-operation-id"]
        named += [ids] if isinstance(ids, str) else ids
    assert named
    assert set(named) <= set(OPERATIONS)
