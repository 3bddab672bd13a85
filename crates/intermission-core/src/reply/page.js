for (const time of document.querySelectorAll("time")) {
  const date = new Date(Math.ceil(Date.parse(time.dateTime) / 60000) * 60000);
  time.textContent = date.toLocaleString(document.documentElement.lang, { year: "numeric", month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", timeZoneName: "short" });
}
