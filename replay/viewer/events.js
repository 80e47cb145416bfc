// The recorded events that are shown: one window without a hole, loaded in pages.

import { get } from "./server.js";

const PAGE = 1000;
export const MOST_SHOWN = 3000;

export class Events {
  constructor() {
    this.forget("");
  }

  forget(name) {
    this.name = name;
    this.list = []; // {at_ms, event}, ascending; idx may jump over a gap
    this.from = 0; // all recorded events from here ...
    this.to = 0; // ... up to here are in the list
    this.loading = null;
  }

  // The events with from <= idx < to, or as many of them as are loaded.
  between(from, to) {
    return this.list.filter(({ event }) => event.idx >= from && event.idx < to);
  }

  find(idx) {
    return this.list.find(({ event }) => event.idx === idx);
  }

  // Load the events before TO, as many as can be shown; true when something new is there.
  async reach(name, to) {
    if (name !== this.name) this.forget(name);
    const from = Math.max(0, to - MOST_SHOWN);
    if (from >= this.from && to <= this.to) return false;
    if (this.loading) return this.loading;
    if (from < this.from || from > this.to) {
      this.forget(name);
      this.from = this.to = from;
    }
    this.loading = this.loadPage(name).finally(() => { this.loading = null; });
    return this.loading;
  }

  async loadPage(name) {
    const query = new URLSearchParams({ name, from: this.to, limit: PAGE });
    const page = await get(`recording/events?${query}`);
    if (name !== this.name || page.events.length === 0) return false;
    this.list.push(...page.events);
    this.to = this.list.at(-1).event.idx + 1;
    if (this.list.length > 2 * MOST_SHOWN) {
      this.list.splice(0, this.list.length - MOST_SHOWN);
      this.from = this.list[0].event.idx;
    }
    return true;
  }
}
