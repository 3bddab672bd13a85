// Times: said by the server in UTC, shown in the zone of this browser, going on by the server's clock.

/** By how many milliseconds the server's clock is ahead of ours. */
let ahead = 0;

const serverNow = () => Date.now() + ahead;

/** `14 s`, `2 min 14 s`, `3 h 5 min`, `2 d 3 h`: as the server does. */
const spell = (milliseconds) => {
  const seconds = Math.max(0, Math.floor(milliseconds / 1000));
  const [minutes, hours, days] = [60, 3600, 86400].map((unit) => Math.floor(seconds / unit));
  if (days) return `${days} d ${hours % 24} h`;
  if (hours) return `${hours} h ${minutes % 60} min`;
  if (minutes) return `${minutes} min ${seconds % 60} s`;
  return `${seconds} s`;
};

const zone = Intl.DateTimeFormat().resolvedOptions().timeZone || "the zone of this browser";
const offset = new Intl.DateTimeFormat("en", { timeZoneName: "longOffset" })
  .formatToParts()
  .find(({ type }) => type === "timeZoneName").value;
const wholeDay = new Intl.DateTimeFormat(undefined, { dateStyle: "medium" });
const clock = new Intl.DateTimeFormat(undefined, { timeStyle: "medium" });

/** A moment for people: without the date if it is today. */
const inZone = (date) => {
  const day = wholeDay.format(date);
  const today = wholeDay.format(new Date(serverNow()));
  return day === today ? clock.format(date) : `${day}, ${clock.format(date)}`;
};

/** The same for what is to be confirmed, with what it is in UTC: when clocks are set back, a local time comes twice. */
const inFull = (date) => `${inZone(date)} (${zone}), which is ${date.toISOString().slice(0, 16).replace("T", " ")} UTC`;

/** What a `datetime-local` field wants. */
const forField = (date) => {
  const two = (number) => String(number).padStart(2, "0");
  const day = [date.getFullYear(), two(date.getMonth() + 1), two(date.getDate())].join("-");
  return `${day}T${two(date.getHours())}:${two(date.getMinutes())}`;
};

/** Brings the times below an element, fresh from the server, into the zone of this browser. */
const localize = (root) => {
  for (const time of root.querySelectorAll("time")) {
    time.textContent = inZone(new Date(time.dateTime));
  }
  for (const field of root.querySelectorAll("input[data-at]")) {
    field.setAttribute("value", forField(new Date(field.dataset.at)));
  }
  for (const help of root.querySelectorAll("[data-zone]")) {
    help.textContent = `Times are in the zone of this browser: ${zone} (${offset}).`;
  }
};

/** Lets all that is counted go on. */
const tick = () => {
  const now = serverNow();
  for (const span of document.querySelectorAll("[data-since]")) {
    span.textContent = spell(now - Date.parse(span.dataset.since));
  }
  for (const span of document.querySelectorAll("[data-until]")) {
    span.textContent = spell(Date.parse(span.dataset.until) - now);
  }
};
