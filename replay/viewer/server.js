// The control API of the session that this page belongs to.

const CONTROL = new URL("./", location.href);
export const API = new URL("../api/v1/", CONTROL);
export const BASE = new URL("..", CONTROL).href.replace(/\/$/, "");

async function answered(request) {
  const answer = await request;
  const told = await answer.json();
  if (!answer.ok) throw Object.assign(new Error(told.error), { status: answer.status });
  return told;
}

export function get(path) {
  return answered(fetch(new URL(path, CONTROL)));
}

export function order(method, path, body) {
  const request = { method };
  if (body !== undefined) {
    request.headers = { "Content-Type": "application/json" };
    request.body = JSON.stringify(body);
  }
  return answered(fetch(new URL(path, CONTROL), request));
}

export function sendMessage(message) {
  return answered(fetch(new URL("messages", API), {
    method: "POST",
    headers: { "Content-Type": "application/json", Authorization: "Bearer viewer" },
    body: JSON.stringify({ message }),
  }));
}

// Tells what happens; the browser connects again by itself, and is told all from the beginning.
export function listen({ onOpen, onLost, onState, onRequests, onReset, onProblem }) {
  const source = new EventSource(new URL("stream", CONTROL));
  source.addEventListener("open", () => { onReset(); onOpen(); });
  source.addEventListener("error", onLost);
  source.addEventListener("state", (event) => onState(JSON.parse(event.data)));
  source.addEventListener("requests", (event) => onRequests(JSON.parse(event.data)));
  source.addEventListener("reset", onReset);
  source.addEventListener("problem", (event) => onProblem(JSON.parse(event.data).error));
}
