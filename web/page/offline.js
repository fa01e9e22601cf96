// Keep the page for use without a network, and offer to install it.

const say = (text) => {
  const line = document.getElementById("em-offline");
  if (line) line.textContent = text;
};

if (!("serviceWorker" in navigator) || !window.isSecureContext) {
  say("This browser keeps no page for use without a network here: that needs https.");
} else {
  navigator.serviceWorker
    .register("service-worker.js")
    .then(() => navigator.serviceWorker.ready)
    .then(() => {
      document.documentElement.dataset.offline = "ready";
      say("This device holds the page and the model: both work without a network.");
    })
    .catch(() => say("The page could not be kept for use without a network; load it again to try once more."));
}

let offered = null;
const button = document.getElementById("em-install");

addEventListener("beforeinstallprompt", (event) => {
  event.preventDefault();
  offered = event;
  button.hidden = false;
});
addEventListener("appinstalled", () => { button.hidden = true; });
button.addEventListener("click", async () => {
  button.hidden = true;
  await offered?.prompt();
  offered = null;
});
