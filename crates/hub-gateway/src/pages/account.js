// Sends the form of a page that a mail or a provider led to. Text is only ever set as text, never as markup.

const form = document.querySelector("form[data-post]");
const problem = form.querySelector("[role=alert]");
const button = form.querySelector("button");
const signsIn = form.dataset.post === "/api/auth/login";
const token = new URLSearchParams(location.search).get("token");
// What the way back from a provider brings: a code that is good once, in this browser, for this.
let exchange = new URLSearchParams(location.hash.slice(1)).get("exchange");
// Out of the address, so that neither history nor a shoulder keeps a secret.
if (token || exchange) history.replaceState(null, "", location.pathname);

function complain(words) {
  problem.textContent = words;
  problem.hidden = false;
}

function finish(words) {
  const said = Object.assign(document.createElement("p"), { textContent: words, tabIndex: -1 });
  said.setAttribute("role", "status");
  form.replaceWith(said);
  said.focus();
}

// Fields that stay empty are not sent, nor those that nobody asked for.
function body() {
  const sent = exchange ? { code: exchange } : {};
  for (const input of form.elements) {
    if (!input.name || !input.value || input.closest("[hidden]")) continue;
    sent[input.name] = input.value;
  }
  if (token) sent.token = token;
  if (signsIn) sent.session = "cookie";
  return sent;
}

async function send() {
  problem.hidden = true;
  button.disabled = true;
  try {
    const response = await fetch(exchange ? "/api/auth/oauth/exchange" : form.dataset.post, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body()),
      signal: AbortSignal.timeout(30_000),
    });
    const answer = response.status === 204 ? {} : await response.json();
    if (response.ok) finish(typeof answer.message === "string" ? answer.message : form.dataset.done);
    else refused(answer.error);
  } catch {
    complain("The hub does not answer. Please try again.");
  } finally {
    button.disabled = false;
  }
}

function refused(error) {
  const later = form.querySelector("[data-later]");
  if (error.details?.totpRequired && later.hidden) {
    later.hidden = false;
    later.querySelector("input").focus();
    return;
  }
  const fields = Array.isArray(error.details) ? error.details.map((detail) => detail.message) : [];
  complain([error.message, ...fields].join(". "));
}

// With a provider's code nobody is asked for address and password.
function withoutPassword() {
  for (const input of form.querySelectorAll("#email, #password")) {
    input.required = false;
    input.parentElement.hidden = true;
  }
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  send();
});

if (!signsIn && form.dataset.post !== "/api/auth/forgot-password" && !token) {
  button.disabled = true;
  complain("This address is not complete. Please open the link from the mail again.");
} else if (signsIn && exchange) {
  withoutPassword();
  send();
}
