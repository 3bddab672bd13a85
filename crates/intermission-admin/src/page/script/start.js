// What the person does, and the beginning. Listening on the document, since what is on the page comes and goes.

document.addEventListener("submit", (event) => {
  const form = event.target;
  const handle = {
    "switch-form": () => submitSwitch(form),
    "address-form": () => addAddress(form.elements.namedItem("allow").value.trim(), form.elements.namedItem("allow")),
    "pass-form": () => createPass(form),
    "scope-form": () => closePart(form),
    "explain-form": () => explain(form),
  }[form.id];
  if (!handle) return;
  event.preventDefault();
  once(event.submitter || form, handle);
});

document.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  const { remove, revoke: id, subject, add, open } = button.dataset;
  let handle = null;
  if (button.id === "deactivate" || button.id === "cancel-plan") handle = deactivate;
  else if (button.id === "add-own") handle = () => addAddress(add);
  else if (button.id === "revoke-all") handle = () => revoke("Revoke all passes?", "Whoever came by a pass is refused from now on.", "api/passes");
  else if (open !== undefined) handle = () => openPart(open);
  else if (remove !== undefined) handle = () => removeAddress(button);
  else if (id !== undefined) handle = () => revoke(`Revoke the pass of ${subject}?`, `${subject} is refused from now on. The link cannot be given again.`, `api/passes/${encodeURIComponent(id)}`);
  if (handle) once(button, handle);
});

// A field that is corrected is no longer complained of.
document.addEventListener("input", ({ target }) => {
  if (target.getAttribute("aria-invalid") !== "true") return;
  target.removeAttribute("aria-invalid");
  const error = errorOf(target);
  if (error) error.textContent = "";
});

ahead = Date.parse(document.getElementById("live").dataset.now) - Date.now();
document.documentElement.classList.add("scripts");
localize(document);
tick();
setInterval(everySecond, 1_000);
listen();
