// The switch: activate, plan, change, deactivate.

/**
 * What is in the form, as the API wants it. Of a maintenance that is on, only what was changed; of a plan, what is there and
 * what was taken out, since what is not said stays.
 */
const readForm = (form, kind) => {
  const isEdit = kind === "edit";
  const isKept = kind !== "activate";
  const field = (name) => form.elements.namedItem(name);
  const body = {};
  const errors = [];
  const isTouched = (input) => input.value !== input.defaultValue;
  const put = (name, input, value) => {
    if (isEdit && !isTouched(input)) return;
    if (input.value.trim()) body[name] = value(input);
    else if (isKept && isTouched(input)) body[name] = null;
  };
  const moment = (input) => {
    if (!isTouched(input) && input.dataset.at) return input.dataset.at;
    return new Date(input.value).toISOString();
  };
  const message = field("message");
  if ((!isEdit && message.value.trim()) || (isKept && isTouched(message))) body.message = message.value;
  const level = field("level");
  const levelBefore = [...level].find((choice) => choice.defaultChecked)?.value;
  if (!isEdit || level.value !== levelBefore) body.level = level.value;
  if (field("starts_at")) put("starts_at", field("starts_at"), moment);
  put("ends_at", field("ends_at"), moment);
  const autoEnd = field("auto_end");
  const isSwitched = autoEnd.checked !== autoEnd.defaultChecked;
  // When the end of a plan is taken out, the box that nobody has touched is no contradiction.
  const isPlanned = kind === "plan" && autoEnd.checked && body.ends_at;
  if (isKept ? isSwitched || isPlanned : autoEnd.checked) body.auto_end = autoEnd.checked;
  const [mode, after] = [field("drain.mode"), field("drain.after_s")];
  const modeBefore = [...mode.options].find((option) => option.defaultSelected)?.value || "wait";
  const isDrainSaid = mode.value !== "wait" || after.value || (isKept && modeBefore !== "wait");
  if (isEdit ? mode.value !== modeBefore || isTouched(after) : isDrainSaid) {
    body.drain = { mode: mode.value };
    if (after.value) body.drain.after_s = Number(after.value);
  }
  put("retry_after_s", field("retry_after_s"), (input) => Number(input.value));
  for (const name of ["starts_at", "ends_at", "drain.after_s", "retry_after_s"]) {
    if (field(name)?.validity.badInput) errors.push({ field: name, problem: "is not complete, or no number" });
  }
  return { body, errors };
};

const changeInWords = (body) => {
  const lines = [];
  if (body.level) lines.push(`Level: ${levelName(body.level)}. ${whoPasses(body.level)}`);
  if (body.ends_at) lines.push(`Announced end: ${inFull(new Date(body.ends_at))}.`);
  if (body.ends_at === null) lines.push("The announced end is taken back. The site does not open by itself.");
  if ("auto_end" in body) lines.push(body.auto_end ? "The site opens by itself at the announced end." : "The site does not open by itself.");
  if (body.drain) lines.push(`Drain: ${body.drain.mode}${body.drain.after_s === undefined ? "" : ` after ${spell(body.drain.after_s * 1000)}`}.`);
  if (body.retry_after_s === null) lines.push("Visitors are to come back when the site's own default says.");
  if (body.retry_after_s) lines.push(`Visitors are to come back after ${spell(body.retry_after_s * 1000)}.`);
  if (body.message) lines.push("Visitors will read:");
  else if ("message" in body) lines.push("Visitors will read the site's own message.");
  return lines;
};

const activationInWords = (body) => {
  const end = body.ends_at && new Date(body.ends_at);
  const starts = body.starts_at && new Date(body.starts_at);
  const drain = body.drain || { mode: "wait" };
  return [
    ...(starts ? [`Begins by itself at ${inFull(starts)}, in ${spell(starts - serverNow())}. Until then everybody is let in.`] : []),
    starts ? "What runs then is waited for, and new executions are refused." : whenDrained(drain),
    whoPasses(body.level),
    endInWords(end, body.auto_end),
    body.message ? "Visitors will read:" : "Visitors will read the site's own message.",
  ];
};

const submitSwitch = async (form) => {
  const kind = form.dataset.kind;
  const isEdit = kind === "edit";
  const general = document.getElementById("switch-problem");
  clearProblems(form, general);
  const { body, errors } = readForm(form, kind);
  if (errors.length) {
    showFieldProblems(form, errors);
    return;
  }
  if (isEdit && !Object.keys(body).length) {
    general.textContent = "Nothing was changed in the form.";
    return;
  }
  const { revision } = facts;
  const answer = await confirmed({
    title: isEdit ? "Change the maintenance?" : body.starts_at ? "Plan this maintenance?" : "Activate maintenance?",
    facts: isEdit ? changeInWords(body) : activationInWords(body),
    message: body.message,
    warnings: body.level ? warningsFor(body.level) : [],
    yes: isEdit ? "Change" : body.starts_at ? "Plan" : "Activate",
    form,
    general,
    run: (isAccepted) => send("POST", "api/activate", isAccepted ? { ...body, lockout_accepted: true } : body, revision),
  });
  if (!answer) return;
  form.reset();
  document.getElementById("state-title").focus();
};

const deactivate = async () => {
  const { revision } = facts;
  const isPlan = facts.phase === "deactivated";
  const lines = isPlan
    ? ["The planned maintenance will not begin."]
    : [
        ...(facts.phase === "activating" ? ["The drain is given up. What runs goes on."] : []),
        "Everybody is let in at once.",
        ...(facts.passes ? [`${count(facts.passes, "pass ends", "passes end")} with it.`] : []),
        ...(facts.silent.length ? [`Out of contact, and opens when it hears of it: ${facts.silent.join(", ")}.`] : []),
      ];
  const answer = await confirmed({
    title: isPlan ? "Cancel the plan?" : "Deactivate maintenance?",
    facts: lines,
    yes: isPlan ? "Cancel the plan" : "Deactivate",
    run: () => send("POST", "api/deactivate", {}, revision),
  });
  if (answer) document.getElementById("state-title").focus();
};
