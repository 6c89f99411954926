// The strict provider of ../../strict as a process of its own, and what it heard.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const PROGRAM = fileURLToPath(new URL("../../strict/provider.py", import.meta.url));

/** Starts it, and ends it by closing its standard input. */
export async function strict(body) {
  const running = spawn("python3", ["-B", PROGRAM], { stdio: ["pipe", "pipe", "inherit"] });
  try {
    const [line] = await once(createInterface({ input: running.stdout }), "line");
    const { url } = JSON.parse(line);
    await body({
      url,
      /** `{wire, body, version}` of every call, oldest first. */
      heard: async () => (await fetch(`${url}/heard`)).json(),
    });
  } finally {
    running.stdin.end();
    if (running.exitCode === null) await once(running, "exit");
  }
}
