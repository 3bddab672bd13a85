// Who passes: addresses and passes.

const changeAddresses = async (mode, address, revision, isAccepted) => {
  const body = { allow: [address] };
  if (isAccepted) body.lockout_accepted = true;
  return send("PUT", `api/allow-ips?mode=${mode}`, body, revision);
};

/** Shows what came of a change for which nothing was asked, and says whether it was done. */
const settle = async (answer, place, field) => {
  const error = document.getElementById(place);
  if (answer.ok) {
    error.textContent = "";
    field?.removeAttribute("aria-invalid");
    await refresh();
    return true;
  }
  const errors = (answer.problem.errors || []).map(({ problem }) => forPeople(problem));
  if (answer.status === 409) await refresh();
  error.textContent = errors.length ? errors.join("; ") : inWords(answer);
  if (errors.length && field) {
    field.setAttribute("aria-invalid", "true");
    field.focus();
  }
  return false;
};

const addAddress = async (address, field) => {
  if (!address) {
    field.setAttribute("aria-invalid", "true");
    document.getElementById("address-error").textContent = "Write an address, or a network such as 192.0.2.0/24.";
    field.focus();
    return;
  }
  if (await settle(await changeAddresses("add", address, facts.revision), "address-error", field)) {
    if (field) field.value = "";
    else document.getElementById("addresses-title").focus();
    announce(`${address} is in the list.`);
  }
};

const removeAddress = async (button) => {
  const address = button.dataset.remove;
  const name = button.closest("li").querySelector(".code").textContent;
  const isOwn = button.dataset.own !== undefined;
  const { revision } = facts;
  // While the site is closed, somebody is let in by this at this moment.
  if (isOwn || facts.phase !== "deactivated") {
    const warnings = isOwn ? [`Your own address is in it, so it may be what lets you pass.${reach()}`] : [];
    const answer = await confirmed({
      title: `Remove ${name}?`,
      facts: [facts.phase === "deactivated" ? "It will not pass when the site is closed." : "It passes no longer, from now on."],
      warnings,
      yes: "Remove",
      run: (isAccepted) => changeAddresses("remove", address, revision, isAccepted),
    });
    if (!answer) return;
  } else if (!(await settle(await changeAddresses("remove", address, revision), "address-error"))) {
    return;
  }
  document.getElementById("addresses-title").focus();
  announce(`${name} is no longer in the list.`);
};

/** Shows a link that nobody will see again. It is part of no update: it stays until it is put away. */
const showLink = ({ link, subject }) => {
  const box = document.getElementById("pass-made");
  const field = element("input", "", { type: "text", readonly: "", id: "pass-link", value: link, "aria-describedby": "pass-once" });
  const copied = element("span", "", { role: "status" });
  const copy = element("button", "Copy", { type: "button" });
  const done = element("button", "Done", { type: "button" });
  copy.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(link);
      copied.textContent = "Copied";
    } catch {
      // Only pages that came by https, or from this machine, may use the clipboard.
      field.select();
      copied.textContent = "Selected: copy it with Ctrl+C";
    }
  });
  done.addEventListener("click", () => {
    box.replaceChildren();
    document.getElementById("passes-title").focus();
  });
  box.replaceChildren(
    element("div", "", { class: "made" },
      element("label", `Link for ${subject}`, { for: "pass-link" }),
      element("p", "This is the only time that it is shown. Give it to that person and to nobody else.", { class: "help", id: "pass-once" }),
      field,
      element("div", "", { class: "actions" }, copy, done, copied),
    ),
  );
  field.focus();
  field.select();
};

const createPass = async (form) => {
  const subject = form.elements.namedItem("subject");
  const body = { subject: subject.value.trim() };
  const expires = form.elements.namedItem("expires_s").value;
  if (expires) body.expires_s = Number(expires);
  const answer = await send("POST", "api/passes", body, facts.revision);
  if (await settle(answer, "subject-error", subject)) {
    form.reset();
    showLink(answer.body);
  }
};

const revoke = async (title, line, path) => {
  const { revision } = facts;
  const answer = await confirmed({
    title,
    facts: [line],
    yes: "Revoke",
    run: () => send("DELETE", path, null, revision),
  });
  if (answer) document.getElementById("passes-title").focus();
};
