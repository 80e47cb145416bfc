"use strict";
// Sends a message and follows its task: the smallest honest client of API v1.
// All that comes from the server is shown with textContent, never as HTML.

const element = (id) => document.getElementById(id);
const api = "/api/v1";
let current = null;

// A link printed by `pollux serve` carries the demo token behind "#", which is never sent.
const given = new URLSearchParams(location.hash.slice(1)).get("token");
if (given) {
  element("token").value = given;
  history.replaceState(null, "", location.pathname);
}

async function call(method, path, body) {
  const response = await fetch(api + path, {
    method,
    headers: {
      Authorization: `Bearer ${element("token").value.trim()}`,
      ...(body === undefined ? {} : { "Content-Type": "application/json" }),
    },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  const answer = await response.json();
  if (!answer.success) throw new Error(`${response.status}: ${answer.error}`);
  return answer;
}

function add(parent, name, text, className) {
  const node = document.createElement(name);
  node.textContent = text;
  if (className) node.className = className;
  parent.append(node);
  return node;
}

function show(event) {
  const line = add(element("events"), "div", "");
  add(line, "span", `${event.idx} `);
  add(line, "b", event.type);
  add(line, "span", ` ${JSON.stringify(event.data)}`);
  line.parentNode.parentNode.scrollTop = line.parentNode.parentNode.scrollHeight;
  const answer = element("answer");
  if (event.type === "text_chunk") add(answer, "span", event.data.content);
  if (event.type === "thinking_chunk") add(answer, "span", event.data.content, "thought");
  if (event.type === "thinking_end") add(answer, "span", "\n");
  if (event.type === "tool_start") add(answer, "span", `\n[${event.data.name}]\n`, "thought");
  if (event.type === "error") add(answer, "span", `\n${event.data.message}\n`, "thought");
}

function status(text) {
  element("status").textContent = text;
  element("status").className = text.split(" ")[0];
}

async function follow(task) {
  let offset = 0;
  for (;;) {
    const { data } = await call("GET", `/tasks/${encodeURIComponent(task)}?from=${offset}`);
    if (data.events.length && data.events[0].idx > offset) {
      add(element("events"), "div", `… ${data.events[0].idx - offset} events are gone`);
    }
    data.events.forEach(show);
    offset = data.next_offset;
    status(data.error ? `${data.status}: ${data.error}` : data.status);
    if (!["pending", "running", "cancel_requested"].includes(data.status)) return;
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
}

element("form").addEventListener("submit", async (submitted) => {
  submitted.preventDefault();
  element("answer").replaceChildren();
  element("events").replaceChildren();
  element("send").disabled = true;
  try {
    current = (await call("POST", "/messages", { message: element("message").value })).task_id;
    element("cancel").disabled = false;
    await follow(current);
  } catch (error) {
    status(`refused ${error.message}`);
  } finally {
    element("send").disabled = false;
    element("cancel").disabled = true;
  }
});

element("cancel").addEventListener("click", () => {
  call("POST", `/tasks/${encodeURIComponent(current)}/cancel`).catch((error) =>
    status(`refused ${error.message}`),
  );
});
