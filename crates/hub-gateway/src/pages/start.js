// Makes the commands exact for the address this page was read from, and says how the hub is.
import { copyable } from "./dom.js";

// The way back from a provider leads here with a code; the sign-in page uses it.
if (location.hash.startsWith("#exchange=")) location.replace(`/login${location.hash}`);

const configured = document.body.dataset.address;

// The configured address can differ from the one that reaches this reader: behind a proxy, or with a port chosen late.
if (configured !== location.origin) {
  for (const code of document.querySelectorAll("code")) {
    code.textContent = code.textContent.replaceAll(configured, location.origin);
  }
}

document.querySelectorAll("figure.code").forEach(copyable);

function say(words, well) {
  const row = document.getElementById("health");
  row.hidden = false;
  const place = row.querySelector("[role=status]");
  place.textContent = words;
  place.className = well ? "good" : "bad";
}

fetch("/health", { signal: AbortSignal.timeout(10_000) })
  .then((response) => response.json())
  .then(({ status, version, checks }) => {
    const ill = Object.entries(checks || {}).filter(([, state]) => state !== "ok").map(([name]) => name);
    if (status === "ok") say(version ? `Ready, version ${version}` : "Ready", true);
    else say(ill.length ? `Not ready: ${ill.join(", ")}` : "Not ready", false);
  })
  .catch(() => say("The hub does not answer", false));
