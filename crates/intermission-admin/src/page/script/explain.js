// Would a request pass, and by which rule?

const VERDICTS = { decides: "decides", passes: "goes on", "not-asked": "is not asked" };

const explain = async (form) => {
  const problem = document.getElementById("explain-problem");
  clearProblems(form, problem);
  const query = new URLSearchParams();
  for (const name of ["method", "path", "ip", "route"]) {
    const value = form.elements.namedItem(name).value.trim();
    if (value) query.set(name, value);
  }
  if (form.elements.namedItem("permission").checked) query.set("permission", "true");
  const box = document.getElementById("explained");
  let response;
  try {
    response = await fetch(`api/explain?${query}`);
  } catch {
    problem.textContent = "There was no answer.";
    return;
  }
  const said = await response.json().catch(() => ({}));
  if (!response.ok) {
    box.replaceChildren();
    const homeless = showFieldProblems(form, said.errors || []);
    if (!said.errors || homeless.length) problem.textContent = homeless.join("; ") || (said.detail && forPeople(said.detail)) || `The server answered ${response.status}.`;
    return;
  }
  const isLetIn = said.decision === "admit";
  const rules = said.rules.map(({ rule, verdict, because }) =>
    element("li", "", { class: `verdict ${verdict}` },
      element("strong", rule),
      " ",
      element("span", VERDICTS[verdict] || verdict, { class: "tag" }),
      " ",
      element("span", forPeople(because), { class: "quiet" }),
    ),
  );
  box.replaceChildren(
    element("p", `${said.method} ${said.path}: ${isLetIn ? "is let in" : "is refused"} by the rule ${said.reason}.`, { class: `decision ${said.decision}` }),
    element("ol", "", { class: "rows" }, ...rules),
    element("p", "Judged by the node that answered, for a visitor without a pass.", { class: "help" }),
  );
};
