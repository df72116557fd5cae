// Material starts its search worker and fetches the whole search index on every page load, search or no search: hold both
// back until the reader goes for the search box (pointer, focus, or its keys f, s and /) or comes with a query in the
// address. And have the search done by our worker: Material takes the address of its own
// from the configuration in the page.
(() => {
  const { open, send } = XMLHttpRequest.prototype;
  const RealWorker = Worker;
  const held = [];
  let wanted = /[?&]q=/.test(location.search);
  const once = (resume) => (wanted ? resume() : held.push(resume));

  XMLHttpRequest.prototype.open = function (method, url, ...rest) {
    this.isSearchIndex = String(url).endsWith("search/search_index.json");
    return open.call(this, method, url, ...rest);
  };
  XMLHttpRequest.prototype.send = function (...body) {
    if (this.isSearchIndex) once(() => send.apply(this, body));
    else send.apply(this, body);
  };

  // What Material uses of a worker: it posts messages to it and listens to those that it posts.
  window.Worker = class extends EventTarget {
    constructor(...args) {
      super();
      once(() => {
        this.real = new RealWorker(...args);
        this.real.addEventListener("message", ({ data }) => {
          this.dispatchEvent(new MessageEvent("message", { data })); // at which Material lists and counts the results
          if (data.data?.says) document.querySelector(".md-search-result__meta").innerHTML = data.data.says;
        });
      });
    }
    postMessage(...message) {
      once(() => this.real.postMessage(...message));
    }
  };

  function release() {
    wanted = true;
    held.splice(0).forEach((resume) => resume());
  }
  const config = document.querySelector("#__config");
  const worker = new URL("search-worker.js", document.currentScript.src);
  config.textContent = JSON.stringify({ ...JSON.parse(config.textContent), search: worker.href });

  // Material looks at the box when a key comes up: text pasted with the mouse would wait for one.
  addEventListener("input", ({ target }) => target.matches(".md-search__input") && target.dispatchEvent(new Event("keyup")));

  const isSearch = (element) => element.closest(".md-search, [for=__search]");
  addEventListener("focusin", (event) => isSearch(event.target) && release());
  addEventListener("pointerdown", (event) => isSearch(event.target) && release());
  addEventListener("keydown", (event) => ["f", "s", "/"].includes(event.key) && release());
})();
