// Serves the exemplary page, which stands for your own. CHROMIUM names a browser of the system.

import { defineConfig } from "@playwright/test";

const executablePath = process.env.CHROMIUM;

export default defineConfig({
  use: {
    baseURL: "http://127.0.0.1:5173",
    launchOptions: executablePath ? { executablePath, args: ["--no-sandbox"] } : {},
  },
  webServer: {
    command: "python3 -m http.server 5173 --bind 127.0.0.1 --directory ../../clients/browser",
    url: "http://127.0.0.1:5173",
    stderr: "ignore",
  },
});
