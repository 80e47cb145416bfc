// Puts the page together: what the server tells is drawn, what the user wants is asked of it.

import { Clients } from "./clients.js";
import { byId, element, seconds } from "./dom.js";
import { Events, MOST_SHOWN } from "./events.js";
import { BASE, get, listen, order, sendMessage } from "./server.js";
import { Timeline, legend } from "./timeline.js";
import { Transcript } from "./transcript.js";

const SPEEDS = [0.1, 0.25, 0.5, 1, 2, 5, 10, 50, 100];
const SHOWN_REQUESTS = 200;
const PIECE = 50_000;

let state = null; // of the session, as the server told it
let toldAt = 0;
let recording = null;
let wantedName = null;
let chosen = null; // idx of the chosen event; null: the task is followed
let chosenTime = null;
let shownUpTo = null; // the transcript shows the events before this idx ...
let shownKey = ""; // ... of this recording and task
let linked = readLink();
const events = new Events();
const clients = new Clients();
const transcript = new Transcript(byId("transcript"), choose);
const timeline = new Timeline(byId("timeline"), {
  onSeek: (ms) => (task() ? act(() => order("POST", "seek", { ms })) : lookAt(ms)),
  onLook: lookAt,
});

const task = () => state?.tasks[0] ?? null;

// -- what the server tells

async function onState(told) {
  const before = task();
  state = told;
  toldAt = performance.now();
  clients.show(task()?.task_id ?? null);
  const name = task()?.recording ?? told.recording ?? told.recordings[0];
  const grows = recording && !recording.ended && (task()?.next_idx ?? 0) >= recording.next_idx;
  if (recording?.name !== name || grows || before?.task_id !== task()?.task_id) {
    await loadRecording(name);
  }
  drawState();
  draw();
}

function onRequests(requests) {
  clients.add(requests);
  drawRequests();
  draw();
}

function onReset() {
  clients.forget();
  shownUpTo = null;
  drawRequests();
  loadFaults();
}

async function loadRecording(name) {
  wantedName = name;
  // A long recording is read piece by piece, so that something is to be seen at once.
  do {
    recording = await get(`recording?${new URLSearchParams({ name, budget: PIECE })}`);
    drawMarkers();
    timeline.draw(picture());
  } while (recording.read_on && recording.name === wantedName);
  if (linked) {
    const link = linked;
    linked = null;
    await (link.idx !== undefined ? choose(link.idx) : lookAt(link.ms));
  }
}

// -- what is drawn

function drawState() {
  const now = task();
  byId("title").textContent = recording?.header.title ?? recording?.name ?? "Replay";
  document.title = `${now ? now.status : "Replay"} · ${recording?.name ?? ""}`;
  const status = byId("status");
  status.textContent = !now ? "no task" : now.gone ? "gone (404)" : now.status;
  status.className = `pill ${!now ? "" : now.gone ? "failed" : now.status}`;
  byId("session").textContent = state.session ? `session ${state.session}` : "";
  byId("play").textContent = state.playing ? "Pause" : "Play";
  byId("play").setAttribute("aria-pressed", String(state.playing));
  byId("loop").checked = state.loop;
  drawSpeeds();
  byId("stopped").hidden = !now?.stopped_at;
  byId("stopped").textContent = now?.stopped_at ? `stopped at ${now.stopped_at.breakpoint}` : "";
  byId("start").hidden = now !== null && live(now);
  byId("invitation").textContent = now
    ? "The task has ended. For another one, let a client send a message to"
    : "No task yet. Let a client send a message to";
  for (const id of ["begin", "back", "step", "end"]) byId(id).disabled = now === null;
  byId("seek").disabled = now === null || chosen === null;
  byId("stop-here").disabled = chosen === null;
  byId("previous").disabled = byId("next").disabled = chosen === null && !recording?.events;
  const list = state.breakpoints.map((text) => {
    const remove = element("button", { class: "plain", "aria-label": `Remove ${text}` }, "✕");
    remove.addEventListener("click", () => setBreakpoints(state.breakpoints.filter((other) => other !== text)));
    const hit = now?.stopped_at?.breakpoint === text;
    const where = hit ? element("span", { class: "pill running" }, `stopped behind ${now.stopped_at.idx}`) : "";
    return element("li", {}, element("code", {}, text), where, remove);
  });
  byId("breakpoints").replaceChildren(...list);
}

function drawSpeeds() {
  const select = byId("speed");
  select.disabled = state.speed === null;
  const known = [...new Set([...SPEEDS, ...(state.speed === null ? [] : [state.speed])])].sort((a, b) => a - b);
  if (select.options.length !== known.length) {
    select.replaceChildren(...known.map((speed) => element("option", { value: speed }, `${speed}×`)));
  }
  if (document.activeElement !== select) select.value = String(state.speed);
}

function drawMarkers() {
  byId("marker-section").hidden = recording.markers.length === 0;
  byId("markers").replaceChildren(...recording.markers.map((marker) => {
    const go = element("button", { class: "plain" }, `${marker.label} · ${seconds(marker.at_ms)}`);
    go.addEventListener("click", () => (task() ? act(() => order("POST", "seek", { ms: marker.at_ms })) : lookAt(marker.at_ms)));
    return element("li", {}, go);
  }));
}

function drawRequests() {
  const names = clients.all().map((client) => client.name);
  const shown = clients.requests.slice(-SHOWN_REQUESTS).reverse();
  byId("request-count").textContent = shown.length ? `the last ${shown.length}` : "none yet";
  byId("requests").replaceChildren(...shown.map((request) => {
    const number = names.indexOf(request.client);
    const good = request.http_status >= 200 && request.http_status < 300;
    const cells = [
      request.poll ?? "",
      number < 0 ? "" : number + 1,
      request.operation ?? request.method,
      request.offset ?? "",
      `${request.http_status || "no answer"}${request.told_status ? ` ${request.told_status}` : ""}`,
      request.next_offset ?? "",
      request.faults.join(", "),
    ].map((text) => element("td", {}, String(text)));
    return element("tr", { class: good ? "" : "bad", title: request.client }, ...cells);
  }));
}

function picture() {
  return {
    recording,
    task: task(),
    ring: task()?.ring ?? recording?.ring,
    clients: clients.all(),
    position_ms: position(),
    look_ms: chosenTime,
  };
}

let drawing = false;
function draw() {
  if (drawing) return;
  drawing = true;
  requestAnimationFrame(async () => {
    drawing = false;
    if (!recording) return;
    timeline.update(picture());
    byId("legend").replaceChildren(...legend(clients.all()));
    await drawTranscript();
  });
}

// Where the task stands now; between two answers of the server time goes on.
function position() {
  const now = task();
  if (!now) return null;
  const moving = now.playing && state.speed !== null && live(now);
  const since = moving ? (performance.now() - toldAt) * state.speed : 0;
  return Math.min(recording?.ended ? recording.duration_ms : Infinity, now.position_ms + since);
}

function live(now) {
  return !now.gone && !["succeeded", "failed", "canceled", "stopped"].includes(now.status);
}

async function drawTranscript() {
  const now = task();
  const upTo = chosen !== null ? chosen + 1 : now?.next_idx ?? 0;
  const cut = now?.own_end.length ? now.next_idx - now.own_end.length : Infinity;
  const fresh = await events.reach(recording.name, Math.min(upTo, cut));
  const key = `${recording.name} ${now?.task_id} ${events.from} ${cut}`;
  if (key !== shownKey || shownUpTo === null || upTo < shownUpTo) {
    transcript.clear();
    transcript.user(events.from === 0 ? (now?.message ?? recording.header.request?.message) : "");
    shownKey = key;
    shownUpTo = events.from;
  }
  const until = Math.min(upTo, cut, events.to);
  transcript.add(events.between(shownUpTo, until).map(({ event }) => event));
  shownUpTo = Math.max(shownUpTo, until);
  if (upTo > cut && shownUpTo >= cut) {
    transcript.add(now.own_end.filter(({ idx }) => idx >= shownUpTo && idx < upTo));
    shownUpTo = Math.max(shownUpTo, upTo);
  }
  byId("omitted").hidden = events.from === 0;
  byId("omitted").textContent = `The ${events.from} events before are left out: at most ${MOST_SHOWN} are shown.`;
  byId("moment").textContent = chosen === null ? "" : `at event ${chosen}`;
  byId("follow").hidden = chosen === null;
  byId("head").textContent = now ? `${now.next_idx} of ${Math.max(recording.next_idx, now.next_idx)} events` : `${recording.events} events`;
  transcript.choose(chosen);
  if (fresh) draw();
}

function tick() {
  const ms = position();
  byId("position").textContent = `${seconds(ms ?? 0)} / ${seconds(recording?.duration_ms ?? 0)}`;
  timeline.moveTo(ms, chosenTime);
  requestAnimationFrame(tick);
}

// -- choosing an event: the transcript shows its moment, the task stays where it is

async function choose(idx) {
  if (!recording) return;
  const last = Math.max(recording.next_idx, task()?.next_idx ?? 0) - 1;
  chosen = Math.max(0, Math.min(idx, last));
  await events.reach(recording.name, chosen + 1);
  const own = task()?.own_end.find((event) => event.idx === chosen);
  const found = own ? { event: own, at_ms: position() } : events.find(chosen);
  chosenTime = found?.at_ms ?? null;
  const text = found ? JSON.stringify(found.event, null, 2) : `The event ${chosen} is missing in the recording.`;
  byId("event").textContent = text;
  byId("event-name").textContent = found ? `${found.event.idx} · ${found.event.type} · ${seconds(found.at_ms)}` : "";
  history.replaceState(null, "", `#idx=${chosen}`);
  if (state) drawState();
  draw();
}

async function lookAt(ms) {
  if (!recording) return;
  const before = recording.samples.filter((sample) => sample.at_ms <= ms);
  let idx = before.length ? before.at(-1).idx : 0;
  // A long recording tells a sample of its events: the page behind it has the exact one.
  const page = await get(`recording/events?${new URLSearchParams({ name: recording.name, from: idx, limit: 1000 })}`);
  for (const { at_ms, event } of page.events) if (at_ms <= ms) idx = event.idx;
  await choose(idx);
  chosenTime = ms;
  history.replaceState(null, "", `#t=${(ms / 1000).toFixed(3).replace(/\.?0+$/, "")}`);
}

function follow() {
  chosen = chosenTime = null;
  byId("event").textContent = "Choose an event in the transcript or with j and k.";
  byId("event-name").textContent = "";
  history.replaceState(null, "", location.pathname);
  drawState();
  draw();
}

function readLink() {
  const given = new URLSearchParams(location.hash.slice(1));
  if (/^\d+$/.test(given.get("idx") ?? "")) return { idx: Number(given.get("idx")) };
  if (/^\d+(\.\d+)?$/.test(given.get("t") ?? "")) return { ms: Number(given.get("t")) * 1000 };
  return null;
}

// -- what the user wants

async function act(wanted) {
  try {
    await wanted();
    byId("notice").hidden = true;
  } catch (error) {
    complain(error.message);
  }
}

function complain(text) {
  byId("notice").textContent = text;
  byId("notice").hidden = false;
}

const post = (path, body) => act(() => order("POST", path, body));
const setBreakpoints = (breakpoints) => act(() => order("PUT", "breakpoints", { breakpoints }));

function togglePlay() {
  post(state.playing ? "pause" : "play");
}

function back(count) {
  const idx = (task()?.next_idx ?? 0) - 1 - count;
  post("seek", idx < 0 ? { ms: 0 } : { idx });
}

function faster(by) {
  if (state.speed === null) return;
  const options = by > 0 ? SPEEDS.filter((speed) => speed > state.speed) : SPEEDS.filter((speed) => speed < state.speed).reverse();
  if (options.length) post("speed", { speed: options[0] });
}

function nextMarker() {
  const ms = position() ?? -1;
  const marker = recording.markers.find(({ at_ms }) => at_ms > ms) ?? recording.markers[0];
  if (marker) post("seek", { ms: marker.at_ms });
}

function neighbour(by) {
  choose(chosen === null ? (task()?.next_idx ?? 1) - 1 : chosen + by);
}

function stopHere() {
  const text = `idx=${chosen}`;
  if (chosen !== null && !state.breakpoints.includes(text)) setBreakpoints([...state.breakpoints, text]);
}

function moveHere() {
  if (chosen !== null && task()) act(() => order("POST", "seek", { idx: chosen })).then(follow);
}

function turnTheme() {
  const themes = ["", "dark", "light"];
  const theme = themes[(themes.indexOf(document.documentElement.dataset.theme ?? "") + 1) % 3];
  setTheme(theme);
  localStorage.setItem("pollux-theme", theme);
}

function setTheme(theme) {
  if (theme) document.documentElement.dataset.theme = theme;
  else delete document.documentElement.dataset.theme;
  byId("theme").textContent = { "": "Auto", dark: "Dark", light: "Light" }[theme];
}

function showHelp() {
  if (!byId("help").open) byId("help").showModal();
}

async function loadFaults() {
  try {
    const told = await get("faults");
    byId("fault-section").hidden = false;
    drawFaults(told);
  } catch {
    byId("fault-section").hidden = true;
  }
}

function drawFaults(told) {
  if (document.activeElement !== byId("faults")) byId("faults").value = told.faults;
  byId("fired").replaceChildren(...told.rules.map((rule) =>
    element("li", {}, element("code", {}, rule.name), ` fired ${rule.fired} times`)));
}

const KEYS = {
  " ": togglePlay,
  ArrowRight: () => post("step", { events: 1 }),
  "Shift+ArrowRight": () => post("step", { events: 10 }),
  ArrowLeft: () => back(1),
  "Shift+ArrowLeft": () => back(10),
  Home: () => post("seek", { ms: 0 }),
  End: () => post("seek", { end: true }),
  "+": () => faster(1),
  "=": () => faster(1),
  "-": () => faster(-1),
  m: nextMarker,
  l: () => post("loop", { loop: !state.loop }),
  j: () => neighbour(1),
  k: () => neighbour(-1),
  Enter: moveHere,
  b: stopHere,
  f: follow,
  t: turnTheme,
  "Shift+R": () => post("reset"),
  "?": showHelp,
};

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || byId("help").open || !state) return;
  if (event.target.closest("input, textarea, select")) return;
  // A button that has the focus is pressed by these two.
  if (event.target.closest("button, summary") && [" ", "Enter"].includes(event.key)) return;
  const key = event.shiftKey && event.key.length > 1 ? `Shift+${event.key}` : event.key === "R" ? "Shift+R" : event.key;
  const wanted = KEYS[key];
  if (!wanted) return;
  event.preventDefault();
  wanted();
});

const clicks = {
  begin: KEYS.Home, back: KEYS.ArrowLeft, play: togglePlay, step: KEYS.ArrowRight, end: KEYS.End,
  reset: KEYS["Shift+R"], theme: turnTheme, "help-open": showHelp, follow, previous: KEYS.k,
  next: KEYS.j, seek: moveHere, "stop-here": stopHere,
};
for (const [id, wanted] of Object.entries(clicks)) byId(id).addEventListener("click", wanted);

byId("speed").addEventListener("change", (event) => post("speed", { speed: Number(event.target.value) }));
byId("loop").addEventListener("change", (event) => post("loop", { loop: event.target.checked }));
onSubmit("send", () => act(() => sendMessage(byId("message").value)));
onSubmit("add-breakpoint", async () => {
  const text = byId("condition").value.trim();
  if (!text) return;
  await setBreakpoints([...state.breakpoints, text]);
  if (byId("notice").hidden) byId("condition").value = "";
});
onSubmit("set-faults", () => act(async () => drawFaults(await order("PUT", "faults", { faults: byId("faults").value }))));

function onSubmit(id, wanted) {
  byId(id).addEventListener("submit", (event) => {
    event.preventDefault();
    wanted();
  });
}

window.addEventListener("hashchange", () => {
  const link = readLink();
  if (link) (link.idx !== undefined ? choose(link.idx) : lookAt(link.ms));
});

setTheme(localStorage.getItem("pollux-theme") ?? "");
byId("base").textContent = BASE;
listen({
  onOpen: () => { byId("link").textContent = "connected"; },
  onLost: () => { byId("link").textContent = "not connected"; },
  onState: (told) => act(() => onState(told)),
  onRequests,
  onReset,
  onProblem: complain,
});
tick();
