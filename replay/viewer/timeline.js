// Draws the timeline: lanes for status, events and each client, and below them, on the same
// axis, the offset staircase.

import { element, seconds, shape } from "./dom.js";

const LANE = 18;
const AXIS = 20;
export const MOST_CLIENTS = 6;

const KINDS = [
  [/^thinking_/, "thinking"],
  [/^text_/, "text"],
  [/^(tool_|update_action|todo_)/, "tool"],
  [/^(error|task_stopped)/, "error"],
  [/^(ai_message_start|task_complete)/, "end"],
];

export function kindOf(type) {
  return (KINDS.find(([pattern]) => pattern.test(type)) ?? [null, "other"])[1];
}

export class Timeline {
  constructor(box, { onSeek, onLook }) {
    this.box = box;
    this.past = shape("rect", { x: 0, y: 0, width: 0, height: 10_000 });
    this.svg = shape("svg", { role: "img", "aria-label": "Timeline and offset staircase" });
    this.recording = null;
    box.append(this.svg);
    this.svg.addEventListener("click", (event) => {
      if (!this.recording) return;
      const x = event.clientX - this.svg.getBoundingClientRect().left;
      const at_ms = Math.max(0, Math.min(this.span, ((x - this.left) / this.width) * this.span));
      (event.shiftKey ? onLook : onSeek)(Math.round(at_ms));
    });
    new ResizeObserver(() => this.draw(this.last)).observe(box);
  }

  // What is drawn does not change before the recording, the clients or the size do.
  draw(shown) {
    this.last = shown;
    if (!shown?.recording) {
      this.svg.replaceChildren();
      this.svg.setAttribute("height", 0);
      return;
    }
    const { recording, ring, clients, task } = shown;
    this.recording = recording;
    const whole = this.box.clientWidth;
    this.left = whole < 600 ? 48 : 84;
    this.width = Math.max(40, whole - this.left - 14);
    this.span = Math.max(1, recording.duration_ms);
    this.stairs = whole < 600 ? 150 : 210;
    const lanes = clients.slice(0, MOST_CLIENTS);
    this.top = AXIS + LANE * (2 + lanes.length) + 10;
    const height = this.top + this.stairs + 8;
    this.svg.setAttribute("width", whole);
    this.svg.setAttribute("height", height);
    this.svg.setAttribute("viewBox", `0 0 ${whole} ${height}`);
    this.most = Math.max(1, recording.next_idx, task?.next_idx ?? 0);

    this.playhead = shape("line", { class: "playhead", y1: AXIS - 6, y2: height });
    this.look = shape("line", { class: "look", y1: AXIS - 6, y2: height });
    this.lanes = shape("g");
    this.paths = shape("g");
    this.svg.replaceChildren(
      shape("clipPath", { id: "past" }, this.past),
      this.axis(height),
      this.statusLane(recording),
      this.eventLane(recording),
      this.staircase(recording, ring),
      this.lanes,
      this.paths,
      this.look,
      this.playhead,
    );
    this.update(shown);
  }

  // What changes all the time: where the task stands, and what the clients did.
  update(shown) {
    const lanes = Math.min(shown.clients.length, MOST_CLIENTS);
    const grown = shown.recording && (this.laneCount ?? 0) !== lanes;
    this.laneCount = lanes;
    if (grown || (shown.task?.next_idx ?? 0) > (this.most ?? 0)) {
      this.draw(shown);
      return;
    }
    this.last = shown;
    if (!shown.recording) return;
    this.lanes.replaceChildren(...shown.clients.slice(0, MOST_CLIENTS).map((c, n) => this.clientLane(c, n)));
    this.paths.replaceChildren(
      ...shown.clients.slice(0, MOST_CLIENTS).map((client, n) => this.clientPath(client, n)),
    );
    this.moveTo(shown.position_ms, shown.look_ms);
  }

  moveTo(position_ms, look_ms) {
    if (!this.recording || !this.playhead) return;
    const x = this.x(position_ms ?? 0);
    this.past.setAttribute("width", x);
    for (const [line, ms] of [[this.playhead, position_ms], [this.look, look_ms]]) {
      line.toggleAttribute("hidden", ms === null);
      line.setAttribute("x1", this.x(ms ?? 0));
      line.setAttribute("x2", this.x(ms ?? 0));
    }
  }

  x(ms) {
    return this.left + (Math.min(ms, this.span) / this.span) * this.width;
  }

  y(idx) {
    return this.top + this.stairs - (idx / this.most) * (this.stairs - 6);
  }

  label(text, y, name = "lane-name") {
    return shape("text", { class: name, x: this.left - 8, y }, text);
  }

  axis(height) {
    const group = shape("g", { class: "axis" });
    const step = niceStep(this.span / Math.max(2, Math.floor(this.width / 110)));
    for (let ms = 0; ms <= this.span; ms += step) {
      const x = this.x(ms);
      group.append(
        shape("line", { x1: x, x2: x, y1: AXIS - 4, y2: height }),
        shape("text", { x, y: AXIS - 8, class: ms === 0 ? "first" : ms > 0.97 * this.span ? "last" : "" }, step < 100 ? `${Math.round(ms)} ms` : seconds(ms)),
      );
    }
    return group;
  }

  statusLane(recording) {
    const group = shape("g", {}, this.label("status", AXIS + 13));
    // Until the recording says otherwise, the task is running.
    const known = recording.statuses;
    const changes = known.length && known[0].at_ms === 0 ? known : [{ at_ms: 0, status: "running" }, ...known];
    changes.forEach((change, n) => {
      const x = this.x(change.at_ms);
      const until = n + 1 < changes.length ? this.x(changes[n + 1].at_ms) : this.left + this.width;
      // A terminal status at the very end still is to be seen.
      const width = Math.max(6, until - x);
      group.append(shape("rect", { class: `band ${change.status}`, x: Math.min(x, this.left + this.width - 6), y: AXIS + 2, width, height: LANE - 5, rx: 2 },
        shape("title", {}, `${change.status} from ${seconds(change.at_ms)}`)));
      if (width > 70) group.append(shape("text", { class: `band-name ${change.status}`, x: x + 6, y: AXIS + 12 }, change.status));
    });
    return group;
  }

  eventLane(recording) {
    const y = AXIS + LANE;
    const group = shape("g", {}, this.label("events", y + 13));
    for (const sample of recording.samples) {
      group.append(shape("rect", { class: `tick ${kindOf(sample.type)}`, x: this.x(sample.at_ms) - 0.75, y: y + 2, width: 1.5, height: LANE - 5 }));
    }
    for (const gap of recording.gaps) {
      group.append(shape("rect", { class: "gap", x: this.x(gap.at_ms) - 3, y: y + 2, width: 3, height: LANE - 5 },
        shape("title", {}, `events ${gap.from} to ${gap.to - 1} are missing in the recording`)));
    }
    for (const marker of recording.markers) {
      const x = this.x(marker.at_ms);
      group.append(shape("path", { class: "marker", d: `M${x} ${y + LANE - 3}v${-LANE + 1}l7 4l-7 4` },
        shape("title", {}, marker.label)));
    }
    return group;
  }

  clientLane(client, n) {
    const y = AXIS + LANE * (2 + n);
    const group = shape("g", { class: `client c${n}` }, this.label(this.left < 60 ? `c${n + 1}` : `client ${n + 1}`, y + 13));
    for (const poll of client.polls) {
      const mark = poll.faults.length ? `, fault: ${poll.faults.join(", ")}` : "";
      const said = poll.good ? `told up to ${poll.to}` : `answered ${poll.status || "nothing"}`;
      group.append(shape("rect", {
        class: poll.good ? (poll.faults.length ? "poll faulty" : "poll") : "poll failed",
        x: this.x(this.at(poll)) - 1, y: y + 3, width: 2, height: LANE - 7,
      }, shape("title", {}, `poll ${poll.number} from ${poll.from}: ${said}${mark}`)));
    }
    return group;
  }

  staircase(recording, ring) {
    const head = [[0, 0]];
    const tail = [[0, 0]];
    let beginning = 0;
    let gaps = recording.gaps;
    for (const { at_ms, idx } of recording.samples) {
      while (gaps.length && gaps[0].to <= idx) {
        beginning = gaps[0].to;
        gaps = gaps.slice(1);
      }
      head.push([at_ms, idx + 1]);
      tail.push([at_ms, Math.max(beginning, idx + 1 - ring)]);
    }
    const end = this.span;
    const line = (points) => {
      let path = `M${this.x(0)} ${this.y(0)}`;
      for (const [ms, idx] of points) path += `H${this.x(ms).toFixed(1)}V${this.y(idx).toFixed(1)}`;
      return `${path}H${this.x(end)}`;
    };
    const back = [...tail].reverse().map(([ms, idx], n, all) => {
      const after = n === 0 ? end : all[n - 1][0];
      return `L${this.x(after).toFixed(1)} ${this.y(idx).toFixed(1)}L${this.x(ms).toFixed(1)} ${this.y(idx).toFixed(1)}`;
    });
    const kept = `${line(head)}${back.join("")}Z`;
    const group = shape("g", { class: "stairs" });
    for (const idx of [0, Math.round(this.most / 2), this.most]) {
      group.append(
        shape("line", { class: "grid", x1: this.left, x2: this.left + this.width, y1: this.y(idx), y2: this.y(idx) }),
        this.label(String(idx), this.y(idx) + 4, "tick-name"),
      );
    }
    group.append(
      shape("path", { class: "kept future", d: kept }),
      shape("path", { class: "kept", d: kept, "clip-path": "url(#past)" }),
      shape("path", { class: "head future", d: line(head) }),
      shape("path", { class: "head", d: line(head), "clip-path": "url(#past)" }),
      shape("path", { class: "tail", d: line(tail) }),
    );
    return group;
  }

  clientPath(client, n) {
    const group = shape("g", { class: `client c${n}` });
    let path = "";
    let cursor = null;
    const losses = [];
    for (const poll of client.polls) {
      if (!poll.good) continue;
      const x = this.x(this.at(poll)).toFixed(1);
      if (cursor === null) path = `M${x} ${this.y(poll.from)}`;
      else path += `H${x}`;
      if (cursor !== null && cursor !== poll.from) path += `V${this.y(poll.from).toFixed(1)}`;
      path += `V${this.y(poll.to).toFixed(1)}`;
      cursor = poll.to;
      if (poll.lost) losses.push([x, poll.to - poll.brought - poll.lost, poll.to - poll.brought]);
    }
    if (path) group.append(shape("path", { class: "cursor", d: path }));
    for (const [x, from, to] of losses) {
      group.append(shape("line", { class: "lost", x1: x, x2: x, y1: this.y(from), y2: this.y(to) },
        shape("title", {}, `events ${from} to ${to - 1} are lost to client ${n + 1}`)));
    }
    return group;
  }

  // Where a poll was on the axis; by what it was told when the journal does not say.
  at(poll) {
    if (poll.at_ms !== null && poll.at_ms !== undefined) return poll.at_ms;
    const samples = this.recording.samples.filter(({ idx }) => idx < (poll.to ?? poll.from ?? 0));
    return samples.length ? samples.at(-1).at_ms : 0;
  }
}

function niceStep(ms) {
  const power = 10 ** Math.floor(Math.log10(ms));
  return [1, 2, 5, 10].map((n) => n * power).find((step) => step >= ms);
}

export function legend(clients) {
  const items = [
    ...["text", "thinking", "tool"].map((kind) => entry(`tick ${kind}`, kind)),
    entry("head", "head: the next event"),
    entry("kept", "events the server keeps"),
    ...clients.slice(0, MOST_CLIENTS).map((client, n) => {
      const told = `client ${n + 1}: ${client.count} polls, at ${client.cursor}`;
      const bad = `${client.failed ? `, ${client.failed} failed` : ""}${client.lost ? `, ${client.lost} lost` : ""}`;
      const item = entry(`c${n}`, told + bad);
      item.title = client.name;
      return item;
    }),
  ];
  if (clients.some((client) => client.lost)) items.push(entry("lost", "lost to a client"));
  if (clients.length > MOST_CLIENTS) items.push(entry("", `and ${clients.length - MOST_CLIENTS} more clients`));
  return items;
}

function entry(name, text) {
  return element("li", {}, element("i", { class: `key ${name}` }), text);
}
