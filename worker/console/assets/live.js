// Keeps the open page up to date: the server tells that something changed, and
// htmx fetches the page again and changes what differs. Without this script the
// page is read by reloading it.
(() => {
  "use strict";
  const sign = document.getElementById("live");
  const button = document.getElementById("pause");
  const page = () => document.getElementById("page");
  const key = "certrecall-paused";
  let source = null, busy = false, again = false;

  const paused = () => sessionStorage.getItem(key) === "yes";
  const say = (text, on) => { sign.textContent = text; sign.className = on ? "live on" : "live off"; };

  function refresh() {
    if (busy) { again = true; return; }
    busy = true;
    htmx.trigger(page(), "refresh");
  }
  // What is being typed or chosen stays as it is.
  function finished() {
    busy = false;
    if (again) { again = false; setTimeout(refresh, 200); }
  }
  for (const name of ["htmx:after:request", "htmx:error", "htmx:finally:request"]) document.addEventListener(name, finished);

  function start() {
    stop();
    if (paused() || document.hidden) return;
    const at = page();
    source = new EventSource(at.dataset.live + "?page=" + encodeURIComponent(at.dataset.page));
    source.addEventListener("changed", (e) => {
      say("live", true);
      // The page bears the number of what it shows: what came since is fetched.
      if (e.data === page().dataset.seen) return;
      refresh();
    });
    source.addEventListener("over", () => location.reload());
    source.onerror = () => {
      say("not connected, trying again", false);
      if (source && source.readyState === EventSource.CLOSED) { stop(); setTimeout(start, 3000); }
    };
  }
  function stop() { if (source) { source.close(); source = null; } }

  function show() {
    button.hidden = false;
    button.textContent = paused() ? "Go on" : "Pause updates";
    button.setAttribute("aria-pressed", paused() ? "true" : "false");
    if (paused()) say("paused", false);
  }
  button.addEventListener("click", () => {
    sessionStorage.setItem(key, paused() ? "no" : "yes");
    show();
    if (paused()) { stop(); } else { start(); }
  });
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) { stop(); say("stopped while hidden", false); } else { show(); start(); }
  });
  addEventListener("pagehide", stop);
  addEventListener("pageshow", (e) => { if (e.persisted) { show(); start(); } });
  show();
  start();
})();
