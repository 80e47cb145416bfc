/**
 * A client of API v1 without dependencies, for browsers and for Node: it sends one message, and
 * follows its task to the end.
 *
 *     const status = await run({ baseUrl, token, message, onEvent: (event) => show(event) });
 */

const TERMINAL = new Set(["succeeded", "failed", "canceled", "stopped"]);
const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 10_000;
const MOST_FAILURES = 8;

/** There is nothing more to be had; the message says why. */
export class Stopped extends Error {}

/** This try brought nothing, and the next one may; `waitMs` is what the server asks for. */
class Failed extends Error {
  constructor(why, waitMs = 0) {
    super(why);
    this.waitMs = waitMs;
  }
}

/**
 * Send a message, tell what comes, and return the status in which its task has ended.
 *
 * @param {object} options
 * @param {string} options.baseUrl of the server, without `/api/v1`
 * @param {string} options.token the bearer token
 * @param {string} options.message what is sent
 * @param {number} [options.intervalMs] between two polls
 * @param {number} [options.timeoutMs] how long one answer may take
 * @param {(event: object) => void} options.onEvent told of each event once, in order
 * @param {(first: number, behind: number) => void} [options.onGap] told that the events from
 *   `first` to `behind - 1` are lost: the server keeps only the last ones
 * @param {(text: string) => void} [options.onNote] told what a user may want to know
 * @throws {Stopped} when the task cannot be followed to its end
 */
export async function run({
  baseUrl,
  token,
  message,
  intervalMs = 250,
  timeoutMs = 10_000,
  onEvent,
  onGap = () => {},
  onNote = () => {},
}) {
  const api = `${baseUrl.replace(/\/+$/, "")}/api/v1`;

  async function ask(method, path, body) {
    const headers = { Authorization: `Bearer ${token}` };
    if (body !== undefined) headers["Content-Type"] = "application/json";
    let answer, text;
    try {
      answer = await fetch(`${api}${path}`, {
        method,
        headers,
        body: body === undefined ? undefined : JSON.stringify(body),
        cache: "no-store",
        signal: AbortSignal.timeout(timeoutMs),
      });
      text = await answer.text();
    } catch (error) {
      throw new Failed(`no answer: ${error.message}`);
    }
    if (answer.status === 401) throw new Stopped("the token was refused");
    if (answer.status === 404) throw new Stopped("the server does not know the task any more");
    if (answer.status === 429 || answer.status >= 500) {
      const seconds = Number(answer.headers.get("Retry-After"));
      throw new Failed(`status ${answer.status}`, seconds > 0 ? seconds * 1000 : 0);
    }
    return { status: answer.status, payload: parsed(text) };
  }

  async function again(attempt) {
    for (let failures = 0; failures < MOST_FAILURES; failures += 1) {
      try {
        return await attempt();
      } catch (error) {
        if (!(error instanceof Failed)) throw error;
        onNote(error.message);
        await sleep(Math.max(Math.min(FIRST_WAIT_MS * 2 ** failures, LONGEST_WAIT_MS), error.waitMs));
      }
    }
    throw new Stopped("the server does not recover");
  }

  const taskId = await again(async () => {
    const { status, payload } = await ask("POST", "/messages", { message });
    if (status === 202) return payload.task_id;
    if (status === 409) throw new Failed("another task is running; waiting for it", 1000);
    throw new Stopped(`the message was refused: ${payload?.error ?? status}`);
  });

  let offset = 0;
  let expected = 0; // the idx of the next event to be told
  for (;;) {
    const data = await again(async () => {
      const { payload } = await ask("GET", `/tasks/${taskId}?from=${offset}`);
      const found = payload?.data;
      if (!Array.isArray(found?.events) || !Number.isInteger(found.next_offset)) {
        throw new Failed("an answer that cannot be read");
      }
      return found;
    });
    if (data.events.length > 0 && data.events[0].idx > offset) onGap(offset, data.events[0].idx);
    for (const event of data.events) {
      if (event.idx < expected) continue;
      expected = event.idx + 1;
      onEvent(event);
    }
    if (TERMINAL.has(data.status)) return data.status;
    offset = data.next_offset;
    await sleep(intervalMs);
  }
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function sleep(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
