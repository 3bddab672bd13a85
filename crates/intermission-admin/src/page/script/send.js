// Sending changes.

/** What a problem says, and who was faster if somebody was: the page shows it already. */
const inWords = (answer) => {
  if (answer.status === 409 && answer.problem.current && !answer.problem.override_with) {
    const line = document.querySelector(".history li span");
    const what = line ? `: ${line.textContent}.` : ".";
    return `It was changed meanwhile${what} Nothing was changed by you. Look at how it is now, and do it again if it is still right.`;
  }
  return forPeople(answer.problem.detail);
};

/** Sends a change of what the person has looked at. Returns `{ok, status, body}` or `{status, problem}`. */
const send = async (method, path, body, revision) => {
  const headers = { "If-Match": `"${revision}"` };
  if (body) headers["Content-Type"] = "application/json";
  let response;
  try {
    response = await fetch(path, {
      method,
      headers,
      body: body ? JSON.stringify(body) : undefined,
      signal: AbortSignal.timeout(30_000),
    });
  } catch {
    return {
      status: 0,
      problem: {
        detail: "There was no answer. It may have been done in spite of that: look at the state before you repeat it.",
      },
    };
  }
  const said = await response.json().catch(() => ({}));
  if (response.ok) return { ok: true, status: response.status, body: said };
  const detail = said.detail || `The server answered ${response.status} ${response.statusText}`;
  if (response.status === 401) become("out");
  return { status: response.status, problem: { ...said, detail } };
};

/** Runs something that a button begins, and bears no second press meanwhile. */
const once = async (button, run) => {
  if (button.getAttribute("aria-busy") === "true") return;
  button.setAttribute("aria-busy", "true");
  try {
    await run();
  } finally {
    button.removeAttribute("aria-busy");
  }
};
