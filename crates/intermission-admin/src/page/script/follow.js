// Following the site: listening to its events, and fetching what lives on the page with each of them.

const SILENCE = 10_000; // After so long without a word, ask.
const BACK_OFF = 3_000; // So long after an answer that did not come, ask again.
const PATIENCE = 8_000; // So long may an answer take.
const PAUSE = 200; // Between two answers.

/** What the person sees: the facts of the same moment as everything else on the page. */
let facts = JSON.parse(document.getElementById("live").dataset.facts);

const announce = (text) => {
  document.getElementById("announcer").textContent = text;
};

const connection = { state: "none", heardAt: Date.now(), why: "" };

const showConnection = () => {
  const box = document.getElementById("connection");
  const words = {
    live: "Live",
    lost: "Connection lost",
    polling: "Looking every 10 s",
    trouble: "State out of reach",
    out: "Signed out",
    forbidden: "No longer allowed",
    old: "Page is outdated",
  };
  const word = document.getElementById("connection-word");
  const text = words[connection.state];
  if (text && word.textContent !== text) word.textContent = text;
  box.dataset.connection = connection.state;
  document.getElementById("live").classList.toggle("stale", !["live", "polling"].includes(connection.state));
  const age = spell(Date.now() - connection.heardAt);
  document.getElementById("connection-age").textContent = {
    lost: `last heard ${age} ago, trying again`,
    out: "reload the page to sign in",
    forbidden: "this user may not administer any more",
    old: "reload it, since the application was upgraded",
  }[connection.state] || "";
};

const become = (state) => {
  connection.state = state;
  showConnection();
};

const heard = () => {
  connection.heardAt = Date.now();
};

/** Takes over what the server has rendered. */
const takeOver = (fresh) => {
  const live = document.getElementById("live");
  if (fresh.dataset.build !== live.dataset.build) {
    become("old");
    return;
  }
  ahead = Date.parse(fresh.dataset.now) - Date.now();
  const before = { news: live.dataset.news, revision: facts.revision };
  localize(fresh);
  fresh.classList.toggle("stale", false);
  bring(live, fresh);
  tick();
  facts = JSON.parse(live.dataset.facts);
  document.title = live.dataset.title;
  const icon = document.getElementById("icon");
  if (icon.href !== live.dataset.icon) icon.href = live.dataset.icon;
  become(live.querySelector(".trouble") ? "trouble" : isListening ? "live" : "polling");
  if (live.dataset.news !== before.news) {
    announce(`${live.dataset.news}. ${live.querySelector(".meaning").textContent}`);
  } else if (facts.revision !== before.revision) {
    const line = live.querySelector(".history li span");
    if (line) announce(line.textContent);
  }
};

const ask = () =>
  new Promise((done) => {
    // A request for a document: no text is made into markup by this script.
    askedAt = Date.now();
    const request = new XMLHttpRequest();
    request.open("GET", "?part=live");
    request.responseType = "document";
    request.timeout = PATIENCE;
    // However it ends, somebody waits for it.
    request.onloadend = () => done();
    request.onload = () => {
      const fresh = request.status === 200 && request.responseXML?.getElementById("live");
      if (fresh) {
        heard();
        takeOver(fresh);
      } else if (request.status === 401 || request.status === 403) {
        become(request.status === 401 ? "out" : "forbidden");
      } else {
        become("lost");
      }
    };
    request.onerror = request.ontimeout = () => become("lost");
    request.send();
  });

let askedAt = 0;
let isListening = false; // Whether events are heard, so that nothing is missed in between.
let asking = null; // The answer that is awaited.
let queued = null; // The one after it.

/** Fetches what lives on the page. Done when the page shows what was true after this call, or the connection is lost. */
const refresh = () => {
  if (queued) return queued;
  const begin = () => {
    queued = null;
    asking = ask().finally(() => {
      asking = null;
    });
    return asking;
  };
  if (!asking) return begin();
  queued = asking.then(() => new Promise((done) => setTimeout(done, PAUSE))).then(begin);
  return queued;
};

/** Whether only loading the page anew helps. Whoever is signed out is not asked for his password again and again. */
const isOver = () => ["out", "forbidden", "old"].includes(connection.state);

let again = 1_000;

/** Listens. A browser comes back by itself when the connection breaks, but not when somebody refuses it. */
const listen = () => {
  if (isOver()) return;
  const source = new EventSource("api/events");
  const follow = () => {
    again = 1_000;
    isListening = true;
    heard();
    refresh();
  };
  for (const name of ["view", "change", "trouble"]) source.addEventListener(name, follow);
  source.onerror = () => {
    isListening = false;
    // A stream ends now and then, and comes back within a second.
    if (connection.state === "live" || connection.state === "none") {
      setTimeout(() => {
        if (!isListening && !isOver()) become("lost");
      }, source.readyState === EventSource.CLOSED ? 0 : 2_000);
    }
    if (source.readyState === EventSource.CLOSED) {
      setTimeout(listen, again);
      again = Math.min(again * 2, 10_000);
      // Whoever answers this may say why.
      refresh();
    }
  };
};

/** What happens each second, whoever is heard. */
const everySecond = () => {
  tick();
  showConnection();
  const silence = Date.now() - Math.max(connection.heardAt, askedAt - (SILENCE - BACK_OFF));
  if (silence > SILENCE && !isOver() && !asking && !queued) refresh();
};
