// What a change would do, in words, from the facts that the page shows.

const count = (number, one, several) => {
  if (number === 0) return `no ${several}`;
  return number === 1 ? `1 ${one}` : `${number} ${several}`;
};

const levelName = (level) => document.querySelector(`label[for="level-${level}"]`).textContent;
const levelDoes = (level) => document.getElementById(`level-${level}-help`).textContent;

const whenDrained = (drain) => {
  if (!facts.running) return "Nothing runs, so the site is closed at once, when every node has heard of it.";
  const verb = facts.running === 1 ? "runs" : "run";
  const what = `${count(facts.running, "execution", "executions")} ${verb} on ${count(facts.running_nodes, "node", "nodes")}. New ones will be refused`;
  const limit = drain.after_s === undefined ? "" : ` after ${spell(drain.after_s * 1000)}`;
  return {
    wait: `${what}; the site is closed when they have ended.`,
    force: `${what}; the site is closed when they have ended, and${limit} with what still runs.`,
    abort: `${what}; the site is closed when they have ended. If any is left${limit}, it is opened again.`,
  }[drain.mode];
};

const whoPasses = (level) => {
  if (level === "exclusive") return "Nobody passes, not even you.";
  const addresses = facts.addresses ? count(facts.addresses, "listed address or network", "listed addresses and networks") : "no address";
  return `${levelDoes(level)} At present ${addresses} ${facts.addresses > 1 ? "are" : "is"} listed.`;
};

const endInWords = (end, opens) => {
  if (!end) return "No end is announced: it lasts until somebody deactivates it.";
  return `Announced end: ${inFull(end)}. The site ${opens ? "opens by itself then" : "does not open by itself then"}.`;
};

/** What becomes of this page when the site is closed. */
const reach = () =>
  facts.is_always_reached
    ? " This page stays within reach."
    : " This page is closed with the rest of the site.";

/** What somebody should know before he closes the site. */
const warningsFor = (level) => {
  const warnings = [];
  if (level === "exclusive") {
    warnings.push(`No permission, address or pass counts.${reach()}`);
  } else if (!facts.you) {
    warnings.push(`Your address is not known here: without the permission or a pass you are refused as everybody else.${reach()}`);
  } else if (!facts.is_listed) {
    warnings.push(`Your address ${facts.you} is not listed: without the permission or a pass you are refused as everybody else.${reach()}`);
  }
  if (facts.silent.length) {
    warnings.push(`Out of contact, and may not hear of it: ${facts.silent.join(", ")}.`);
  }
  return warnings;
};
