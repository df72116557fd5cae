// What Material has inline: the helpers that its bundle calls by these names, and the colours that the reader chose, set
// before the first paint. Inline, they would need a Content-Security-Policy that lets scripts of anybody run.
const __md_scope = new URL("/", location); // one choice for both languages
const __md_hash = (text) => [...text].reduce((hash, sign) => (hash << 5) - hash + sign.charCodeAt(0), 0);
const __md_get = (key, storage = localStorage, scope = __md_scope) => JSON.parse(storage.getItem(`${scope.pathname}.${key}`));
const __md_set = (key, value, storage = localStorage, scope = __md_scope) => {
  try {
    storage.setItem(`${scope.pathname}.${key}`, JSON.stringify(value));
  } catch {
    // The reader's storage is full or closed: the choice lasts as long as the page.
  }
};

(() => {
  const chosen = __md_get("__palette")?.color;
  const follows = !chosen || chosen.media === "(prefers-color-scheme)";
  const dark = follows ? matchMedia("(prefers-color-scheme: dark)").matches : chosen.scheme === "slate";
  document.documentElement.classList.replace("no-js", "js");
  document.body.setAttribute("data-md-color-scheme", dark ? "slate" : "default");
})();
