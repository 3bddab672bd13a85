// Asking before something is done, in words.

const dialog = document.getElementById("confirm");
const part = (name) => document.getElementById(`confirm-${name}`);

const fillList = (list, lines) => {
  list.replaceChildren(...lines.map((line) => element("li", line)));
  list.hidden = !lines.length;
};

/** What is asked at present. */
let question = null;

/**
 * Asks, and on a yes runs `run(isAccepted)`, until it is done or given up.
 *
 * What is asked: `title`, `facts` and `warnings` in sentences, the `message` that visitors would read, the word `yes`, and
 * `form`, whose fields show what is wrong with them. Returns what `run` answered, if it was done.
 */
const confirmed = (asked) =>
  new Promise((done) => {
    question = { ...asked, done };
    part("title").textContent = asked.title;
    fillList(part("facts"), asked.facts);
    fillList(part("warnings"), asked.warnings || []);
    part("message").hidden = !asked.message;
    part("message").textContent = asked.message || "";
    part("problem").textContent = "";
    part("override").hidden = true;
    part("accept").checked = false;
    part("yes").textContent = asked.yes;
    part("yes").disabled = false;
    dialog.showModal();
    part("title").focus();
  });

const answerQuestion = (answer) => {
  const { done } = question;
  question = null;
  dialog.close();
  done(answer);
};

const goAhead = async () => {
  const asked = question;
  part("problem").textContent = "";
  const answer = await asked.run(part("accept").checked);
  if (question !== asked) return; // Given up meanwhile.
  if (answer.ok) {
    await refresh();
    answerQuestion(answer);
    return;
  }
  const errors = answer.problem.errors || [];
  if (asked.form && errors.length) {
    answerQuestion(null);
    const homeless = showFieldProblems(asked.form, errors);
    if (homeless.length && asked.general) asked.general.textContent = homeless.join("; ");
    return;
  }
  if (answer.status === 409) await refresh();
  part("problem").replaceChildren(element("p", inWords(answer), { class: "problem" }));
  if (answer.problem.override_with) {
    part("override").hidden = false;
    part("yes").disabled = true;
    part("accept").focus();
  } else if (answer.status === 409) {
    // What was asked was about a state that is no more.
    part("yes").disabled = true;
    part("no").focus();
  }
};

part("yes").addEventListener("click", () => once(part("yes"), goAhead));
part("no").addEventListener("click", () => answerQuestion(null));
part("accept").addEventListener("change", () => {
  part("yes").disabled = !part("accept").checked;
});
part("form").addEventListener("submit", (event) => {
  event.preventDefault();
  if (!part("yes").disabled) part("yes").click();
});
dialog.addEventListener("cancel", (event) => {
  event.preventDefault();
  answerQuestion(null);
});
