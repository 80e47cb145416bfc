#!/usr/bin/env node
/**
 * A client of API v1 for Node 18 or later: the same module as in the browser, on a terminal.
 *
 *     POLLUX_TOKEN=... node node.mjs http://localhost:8091 "Hello"
 *
 * It prints one line of JSON for each event that it has shown and one for each gap.
 */

import { run } from "./browser/client.mjs";

const [baseUrl, message = "Hello"] = process.argv.slice(2);
if (baseUrl === undefined) {
  console.error("usage: node node.mjs BASE_URL [MESSAGE]");
  process.exit(2);
}

function print(line) {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

try {
  const status = await run({
    baseUrl,
    token: process.env.POLLUX_TOKEN ?? "any",
    message,
    onEvent(event) {
      if (event.type === "text_chunk") process.stderr.write(event.data.content);
      print({ idx: event.idx, type: event.type });
    },
    onGap: (first, behind) => print({ gap: [first, behind] }),
    onNote: (text) => console.error(`[${text}]`),
  });
  console.error(`[${status}]`);
  process.exitCode = status === "succeeded" ? 0 : 1;
} catch (error) {
  console.error(`[${error.message}]`);
  process.exitCode = 1;
}
