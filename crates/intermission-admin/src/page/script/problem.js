// What went wrong, shown where it belongs.

/** A complaint of the API, for people: its times in this zone, its words in quotes. */
const forPeople = (text) => {
  const words = text
    .replace(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, (time) => inZone(new Date(time)))
    .replace(/`([^`]*)`/g, "“$1”");
  return words.charAt(0).toUpperCase() + words.slice(1);
};

const fieldOf = (form, name) => {
  const plain = name.replace(/\[\d+\]$/, "");
  const fields = [...form.elements].filter((field) => field.name);
  return (
    fields.find((field) => field.name === plain) ||
    fields.find((field) => field.name.startsWith(`${plain}.`))
  );
};

const errorOf = (field) =>
  document.getElementById(`${field.id}-error`) || document.getElementById(`${field.name}-error`);

/** Takes all complaints off a form. */
const clearProblems = (form, general) => {
  for (const field of form.elements) {
    if (!field.name) continue;
    field.removeAttribute("aria-invalid");
    const error = errorOf(field);
    if (error) error.textContent = "";
  }
  if (general) general.textContent = "";
};

/** Shows each bad field at the field, and returns those for which there is none. The first gets the focus. */
const showFieldProblems = (form, errors) => {
  const homeless = [];
  let first = null;
  for (const { field: name, problem } of errors) {
    const field = fieldOf(form, name);
    const error = field && errorOf(field);
    if (!error) {
      homeless.push(`${name}: ${forPeople(problem)}`);
      continue;
    }
    error.textContent = [error.textContent, forPeople(problem)].filter(Boolean).join("; ");
    field.setAttribute("aria-invalid", "true");
    for (let around = field.closest("details"); around; around = around.parentElement.closest("details")) {
      around.open = true;
    }
    first ||= field;
  }
  first?.focus();
  return homeless;
};
