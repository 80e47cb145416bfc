// How a page that polls is tested: npm install && npx playwright test

import { fileURLToPath } from "node:url";

import { expect, test as base } from "@playwright/test";
import { startReplay } from "pollux-replay";

const recording = fileURLToPath(
  new URL("../../../fixtures/recordings/tools.taskcast.jsonl", import.meta.url),
);
// How Pollux is called, where it is not on the PATH: POLLUX="python -m pollux".
const command = (process.env.POLLUX ?? "pollux").split(" ");

const test = base.extend({
  // One server for all tests of a worker, a session of its own for each test.
  server: [
    async ({}, use) => {
      const server = await startReplay(recording, { command, clock: "manual" });
      await use(server);
      await server.stop();
    },
    { scope: "worker" },
  ],
  replay: async ({ server }, use, { testId }) => use(server.session(testId)),
});

test("the page shows each event as soon as it is there", async ({ page, replay }) => {
  await page.goto(`/?base=${replay.baseUrl}`);
  await replay.waitFor({ polls: 1 });
  const shown = page.locator("[data-idx]");
  await expect(shown).toHaveCount(0);
  await replay.step(3);
  await expect(shown).toHaveCount(3);
  await replay.seek({ end: true });
  await expect(shown).toHaveCount(48);
  await expect(page.locator("#status")).toHaveText("succeeded");
});

test("a server that is busy for a while is no harm", async ({ page, replay }) => {
  await replay.faults("poll 2..3 -> status 503 retry-after=0");
  await replay.play();
  await page.goto(`/?base=${replay.baseUrl}`);
  await expect(page.locator("#status")).toHaveText("succeeded", { timeout: 20_000 });
  await replay.waitFor({ end: true });
  const { rules } = await replay.report();
  expect(rules.filter((rule) => rule.outcome === "FAIL")).toEqual([]);
});
