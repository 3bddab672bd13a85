// Parts of the site that are closed by themselves.

const pathIn = (verb, scope) => `api/${verb}?scope=${encodeURIComponent(scope)}`;

const closePart = async (form) => {
  const field = form.elements.namedItem("scope");
  const scope = field.value.trim();
  const message = form.elements.namedItem("message").value.trim();
  const error = document.getElementById("scope-error");
  if (!/^[A-Za-z0-9._-]{1,128}$/.test(scope)) {
    field.setAttribute("aria-invalid", "true");
    error.textContent = "Write its name as the application has it: letters without accents, digits, “-”, “.” and “_”.";
    field.focus();
    return;
  }
  error.textContent = "";
  const { revision } = facts;
  const answer = await confirmed({
    title: `Close ${scope}?`,
    facts: [
      "Its executions drain first; then its visitors are refused, but for those who may pass.",
      "Everything else stays as it is.",
      ...(scope.includes(".") && scope !== scope.toLowerCase()
        ? ["Upper and lower case differ: where the application goes by hosts, they are in lower case."]
        : []),
    ],
    message,
    yes: "Close it",
    run: () => send("POST", pathIn("activate", scope), message ? { message } : {}, revision),
  });
  if (!answer) return;
  form.reset();
  document.getElementById("scopes-title").focus();
  announce(`${scope} is closed by itself.`);
};

const openPart = async (scope) => {
  const { revision } = facts;
  const answer = await confirmed({
    title: `Open ${scope}?`,
    facts: [
      facts.phase === "deactivated" ? "Its visitors are let in." : "Its visitors are refused as long as the site itself is closed.",
      "Its passes end.",
    ],
    yes: "Open it",
    run: () => send("POST", pathIn("deactivate", scope), {}, revision),
  });
  if (!answer) return;
  document.getElementById("scopes-title").focus();
  announce(`${scope} is open.`);
};
