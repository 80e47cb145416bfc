// How a test of a client looks: node --test examples/js/pollux-replay/test/

import assert from "node:assert/strict";
import { after, before, beforeEach, test } from "node:test";
import { fileURLToPath } from "node:url";

import { run } from "../../../clients/browser/client.mjs";
import { ReplayError, startReplay } from "../index.mjs";

const recording = fileURLToPath(
  new URL("../../../../fixtures/recordings/tools.taskcast.jsonl", import.meta.url),
);
// How Pollux is called, where it is not on the PATH: POLLUX="python -m pollux".
const command = (process.env.POLLUX ?? "pollux").split(" ");

let replay;
before(async () => {
  replay = await startReplay(recording, { command, clock: "manual" });
});
beforeEach(() => replay.reset());
after(() => replay.stop());

function client(baseUrl = replay.baseUrl) {
  const shown = [];
  const ended = run({
    baseUrl,
    token: "any",
    message: "Hello",
    intervalMs: 20,
    onEvent: (event) => shown.push(event.idx),
  });
  return { shown, ended };
}

test("a client shows what has happened, and no more", async () => {
  const { shown, ended } = client();
  await replay.waitFor({ polls: 2 });
  assert.deepEqual(shown, []);
  await replay.step(3);
  const { tasks } = await replay.waitFor({ idx: 2 });
  assert.equal(tasks[0].next_idx, 3);
  await replay.seek({ end: true });
  assert.equal(await ended, "succeeded");
  assert.deepEqual(shown, [...Array(48).keys()]);
});

test("sessions share nothing", async () => {
  const one = replay.session("one");
  const two = replay.session("two");
  const first = client(one.baseUrl);
  const second = client(two.baseUrl);
  await Promise.all([one.waitFor({ polls: 1 }), two.waitFor({ polls: 1 })]);
  await one.seek({ end: true });
  assert.equal(await first.ended, "succeeded");
  assert.deepEqual(second.shown, []);
  await two.seek({ end: true });
  assert.equal(await second.ended, "succeeded");
});

test("a client that meets a fault is judged, with the requests that prove it", async () => {
  const session = replay.session("judged");
  await session.faults("poll 2 -> status 503 retry-after=1");
  const { shown, ended } = client(session.baseUrl);
  await session.waitFor({ polls: 1 });
  await session.seek({ end: true });
  assert.equal(await ended, "succeeded");
  await session.ack(shown);
  const { verdict, rules } = await session.report();
  assert.equal(verdict, "conformant");
  const waited = rules.find((result) => result.rule === "RETRY-AFTER");
  assert.equal(waited.outcome, "PASS");
  assert.equal(waited.polls.length, 2);
});

test("what is not there is told in the replay's own words", async () => {
  await assert.rejects(replay.step(1), (error) => {
    assert.ok(error instanceof ReplayError);
    assert.match(error.message, /there is no task yet/);
    return true;
  });
  await assert.rejects(replay.waitFor({ polls: 1, timeout: 0.1 }), /not in time/);
});

test("a recording that is not there is told at once", async () => {
  await assert.rejects(startReplay("missing.taskcast.jsonl", { command }), /missing.taskcast.jsonl/);
});
