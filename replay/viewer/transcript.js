// The transcript as a user would see it. Every event has one element, with its idx in data-idx.

import { element } from "./dom.js";

export class Transcript {
  constructor(box, onChoose) {
    this.box = box;
    this.clear();
    box.addEventListener("click", (event) => {
      const chosen = event.target.closest("[data-idx]");
      if (chosen) onChoose(Number(chosen.dataset.idx));
    });
  }

  clear() {
    this.box.replaceChildren();
    this.blocks = {};
    this.tools = new Map();
    this.next = null; // the idx that is expected next; null at the beginning
  }

  user(message) {
    if (message) this.box.append(element("div", { class: "said user" }, message));
  }

  // Show EVENTS, which come behind those that are shown already.
  add(events) {
    const { scrollHeight, scrollTop, clientHeight } = this.box;
    const nearEnd = this.next === null || scrollHeight - scrollTop - clientHeight < 60;
    for (const event of events) {
      if (this.next !== null && event.idx > this.next) {
        const lost = `${event.idx - this.next} events are missing here (${this.next} to ${event.idx - 1})`;
        this.box.append(element("p", { class: "line gap" }, lost));
        this.blocks = {};
      }
      this.next = event.idx + 1;
      this.show(event, event.data ?? {});
    }
    if (nearEnd) this.box.scrollTop = this.box.scrollHeight;
  }

  choose(idx) {
    this.box.querySelector(".chosen")?.classList.remove("chosen");
    if (idx === null) return;
    const found = this.box.querySelector(`[data-idx="${idx}"]`);
    if (!found) return;
    found.classList.add("chosen");
    const details = found.closest("details");
    if (details && !found.closest("summary")) details.open = true;
    // Only this box is scrolled, not the page.
    const [inner, outer] = [found.getBoundingClientRect(), this.box.getBoundingClientRect()];
    if (inner.top < outer.top) this.box.scrollTop += inner.top - outer.top - 20;
    else if (inner.bottom > outer.bottom) this.box.scrollTop += inner.bottom - outer.bottom + 20;
  }

  show(event, data) {
    const [block, part] = event.type.split("_");
    if ((block === "text" || block === "thinking") && ["start", "chunk", "end"].includes(part)) {
      this.speak(event, block, part, data);
    } else if (["tool_preparing", "tool_intent", "tool_start", "update_action"].includes(event.type)) {
      this.tool(event, data);
    } else {
      this.line(event, data);
    }
  }

  speak(event, block, part, data) {
    if (part === "start" || !this.blocks[block]) this.blocks[block] = this.begin(block);
    const { body, count } = this.blocks[block];
    if (part === "chunk") {
      body.append(element("span", { "data-idx": event.idx }, String(data.content ?? "")));
      return;
    }
    if (part === "end" && count.textContent === "" && body.textContent === "") {
      // The chunks were lost, the end tells the whole.
      body.append(element("span", { "data-idx": event.idx }, String(data.full_content ?? "")));
    } else {
      body.append(element("span", { class: "edge", "data-idx": event.idx, title: event.type }));
    }
    if (part === "end") delete this.blocks[block];
  }

  begin(block) {
    const body = element("div", { class: "words" });
    const count = element("span");
    if (block === "thinking") {
      this.box.append(element("details", { class: "said thinking", open: "" }, element("summary", {}, "Thinking ", count), body));
    } else {
      this.box.append(element("div", { class: "said assistant" }, body));
    }
    return { body, count };
  }

  tool(event, data) {
    const key = String((event.type === "tool_preparing" || event.type === "tool_intent" ? data.id : data.preparing_id) ?? data.id);
    let card = this.tools.get(key);
    if (!card) {
      card = {
        name: element("b", {}, ""),
        state: element("span", { class: "pill" }, "preparing"),
        intent: element("span", { class: "soft" }, ""),
        marks: element("span", { class: "marks" }),
        call: element("pre"),
        result: element("pre"),
      };
      this.tools.set(key, card);
      this.box.append(element("details", { class: "said tool" },
        element("summary", {}, card.name, " ", card.state, " ", card.intent, card.marks), card.call, card.result));
      this.blocks = {};
    }
    card.marks.append(element("span", { class: "edge", "data-idx": event.idx, title: event.type }));
    if (data.name) card.name.textContent = data.name;
    if (data.intent) card.intent.textContent = data.intent;
    if (event.type === "tool_start") {
      card.state.textContent = "running";
      card.state.className = "pill running";
      card.call.textContent = JSON.stringify(data.arguments, null, 2);
    } else if (event.type === "update_action") {
      const good = data.result?.success !== false && data.status !== "cancelled";
      card.state.textContent = String(data.status ?? "done");
      card.state.className = good ? "pill succeeded" : "pill failed";
      card.result.textContent = JSON.stringify(data.result, null, 2) ?? "";
    }
  }

  line(event, data) {
    const text = describe(event.type, data);
    const name = event.type === "error" ? "line error" : event.type === "system_message" ? "line system" : "line";
    this.box.append(element("p", { class: name, "data-idx": event.idx }, text));
    if (event.type !== "token_update") this.blocks = {};
  }
}

function describe(type, data) {
  switch (type) {
    case "ai_message_start": return "The assistant begins";
    case "system_message": return String(data.content ?? "");
    case "token_update": return `${data.cumulative_total_tokens ?? "?"} tokens so far`;
    case "conversation_changed": return `The conversation is now called “${data.title ?? ""}”`;
    case "file_tree_update": return "Files have changed";
    case "todo_updated": return todo(data.todo_list);
    case "error": return `${data.retry ? "Trying again: " : "Error: "}${data.message ?? ""}`;
    case "task_complete": return "Done";
    case "task_stopped": return `Stopped: ${data.message ?? data.reason ?? ""}`;
    default: return type;
  }
}

function todo(list) {
  if (!list) return "The to-do list is gone";
  const done = (list.tasks ?? []).filter((task) => task.status === "done").length;
  return `To do: ${list.overview ?? ""} (${done} of ${(list.tasks ?? []).length} done)`;
}
