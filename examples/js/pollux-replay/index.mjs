/**
 * Starts `pollux replay` from JavaScript tests, waits until it is ready, and steers it through its
 * control API. No dependencies; needs Pollux on the PATH (`pip install pollux`).
 *
 *     const replay = await startReplay("tools.taskcast.jsonl", { clock: "manual" });
 *     ...
 *     await replay.step(3);
 *     await replay.stop();
 */

import { spawn } from "node:child_process";

const READY_MS = 30_000;
const STOP_MS = 5_000;

/** The replay could not be started, or refused what it was asked for. */
export class ReplayError extends Error {}

/**
 * Start a replay on a free port.
 *
 * @param {string | string[]} files recordings; each message plays the next one
 * @param {object} [options] what `pollux replay --help` lists, in camel case: `clock`, `perPoll`,
 *   `speed`, `ring`, `cap`, `faults` (a file), `token`, ...; true stands for an option without a
 *   value, an array for one that is repeated
 * @param {string[]} [options.command] how Pollux is called; by default `["pollux"]`
 * @returns {Promise<Replay>} once it answers
 * @throws {ReplayError} with what Pollux printed, when it does not become ready
 */
export async function startReplay(files, { command = ["pollux"], ...options } = {}) {
  const [program, ...before] = command;
  const wanted = { port: 0, json: true, ...options };
  const args = Object.entries(wanted).flatMap(([name, value]) => asOption(name, value));
  const child = spawn(program, [...before, "replay", ...[files].flat(), ...args], {
    stdio: ["pipe", "pipe", "pipe"],
  });
  let printed = "";
  child.stderr.setEncoding("utf8").on("data", (text) => {
    printed = (printed + text).slice(-4000);
  });
  const about = await new Promise((resolve, reject) => {
    let line = "";
    const timer = setTimeout(() => {
      child.kill("SIGKILL");
      reject(new ReplayError(`pollux replay was not ready in ${READY_MS / 1000} s\n${printed}`));
    }, READY_MS);
    child.stdout.setEncoding("utf8").on("data", (text) => {
      line += text;
      if (!line.includes("\n")) return;
      clearTimeout(timer);
      resolve(JSON.parse(line.slice(0, line.indexOf("\n"))));
    });
    child.once("error", (error) => {
      clearTimeout(timer);
      reject(new ReplayError(`${program} cannot be started: ${error.message}`));
    });
    child.once("close", (code) => {
      clearTimeout(timer);
      reject(new ReplayError(`pollux replay ended with exit code ${code}\n${printed}`));
    });
  });
  return new Replay(child, about);
}

/** One session of a replay; what fails throws a ReplayError with the replay's own words. */
export class Session {
  constructor(baseUrl) {
    /** What the client takes for the address of its server. */
    this.baseUrl = baseUrl;
  }

  /** What is played, and how far it has come. */
  state() {
    return this.#ask("GET", "state");
  }

  /** What clients asked and were told. */
  journal() {
    return this.#ask("GET", "journal");
  }

  /** Let so many more events happen, and stand still then. */
  step(events = 1) {
    return this.#ask("POST", "step", { events });
  }

  /** Let so many milliseconds pass, and stand still then. */
  advance(ms) {
    return this.#ask("POST", "step", { ms });
  }

  /** Go to `{ idx }`, `{ ms }`, `{ marker }` or `{ end: true }`, forward or back. */
  seek(target) {
    return this.#ask("POST", "seek", target);
  }

  /** Let time go on. */
  play() {
    return this.#ask("POST", "play");
  }

  /** Stand still. */
  pause() {
    return this.#ask("POST", "pause");
  }

  /** Play at so many recorded seconds a second. */
  speed(speed) {
    return this.#ask("POST", "speed", { speed });
  }

  /** Let other things go wrong from now on: fault rules, one a line; "" for none. */
  faults(text) {
    return this.#ask("PUT", "faults", { faults: text });
  }

  /** The verdict on the clients, rule by rule; `ended` says that no more will come from them. */
  report({ ended = true } = {}) {
    return this.#ask("GET", `report?ended=${ended}`);
  }

  /** Begin anew, as if nobody had ever asked for anything. */
  reset() {
    return this.#ask("POST", "reset");
  }

  /** Say that the client has shown this event, or these. */
  ack(idx) {
    return this.#ask("POST", "ack", { idx });
  }

  /**
   * Wait until the clients have done something; all that is given must hold.
   *
   * @param {object} wish `polls`, `idx`, `acked`, `end`, `paused`, `silence` (seconds), and
   *   `timeout` (seconds, by default 10)
   * @throws {ReplayError} when it did not come to that in time
   */
  async waitFor(wish) {
    const query = new URLSearchParams(
      Object.entries(wish).map(([name, value]) => [name, String(value)]),
    );
    const { fulfilled, state } = await this.#ask("GET", `wait?${query}`);
    if (!fulfilled) throw new ReplayError(`not in time: ${JSON.stringify(wish)}`);
    return state;
  }

  async #ask(method, path, body) {
    const answer = await fetch(`${this.baseUrl}/__replay/${path}`, {
      method,
      headers: body === undefined ? {} : { "Content-Type": "application/json" },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    const payload = await answer.json();
    if (!answer.ok) throw new ReplayError(`${method} ${path}: ${payload.error}`);
    return payload;
  }
}

/** A replay that runs; what it does itself concerns the session without an id. */
export class Replay extends Session {
  #child;

  constructor(child, about) {
    super(about.base_url);
    this.#child = child;
    /** What is played: `name`, `events`, `status` and `complete` of each recording. */
    this.recordings = about.recordings;
  }

  /** The session `id`: clients that use its `baseUrl` share nothing with the others. */
  session(id) {
    return new Session(`${this.baseUrl}/s/${encodeURIComponent(id)}`);
  }

  /** End the replay. */
  async stop() {
    const child = this.#child;
    if (child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise((resolve) => child.once("close", resolve));
    child.kill("SIGTERM");
    const timer = setTimeout(() => child.kill("SIGKILL"), STOP_MS);
    await ended;
    clearTimeout(timer);
  }
}

function asOption(name, value) {
  const option = `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
  if (value === undefined || value === false) return [];
  if (value === true) return [option];
  return [value].flat().flatMap((one) => [option, String(one)]);
}
