// Search in a site that is opened from a folder.  Browsers refuse workers for addresses that begin with file:, so the
// script of the search runs in a hidden frame there.  The plugin `offline` takes a file of this name for its polyfill.
if (location.protocol === "file:") {
  window.Worker = class extends EventTarget {
    #waiting = []; // messages before the script has been loaded
    #frame;

    constructor(address) {
      super();
      const frame = document.createElement("iframe");
      frame.hidden = true;
      frame.title = "Search";
      frame.srcdoc = "<!doctype html><title>Search</title>";
      frame.onload = () => {
        frame.contentWindow.postMessage = (data) => this.dispatchEvent(new MessageEvent("message", { data }));
        const script = frame.contentDocument.createElement("script");
        script.src = address;
        script.onload = () => {
          this.#frame = frame.contentWindow;
          this.#waiting.forEach((data) => this.postMessage(data));
        };
        frame.contentDocument.body.append(script);
      };
      document.body.append(frame);
    }

    postMessage(data) {
      if (this.#frame) this.#frame.dispatchEvent(new MessageEvent("message", { data }));
      else this.#waiting.push(data);
    }
  };
}
