// Names for screen readers where Material gives none (its search dialog, the toolbars of blocks, the notes of code), keys
// for what only a pointer could open (the menu and the search of a narrow screen), and the tab that the address names.
(() => {
  const search = document.querySelector(".md-search");
  search?.setAttribute("aria-label", search.querySelector("input").getAttribute("aria-label"));

  function name() {
    for (const toolbar of document.querySelectorAll(".md-code__nav:not([role])")) {
      toolbar.setAttribute("role", "none"); // not one more navigation landmark for each block
    }
    for (const note of document.querySelectorAll(".md-annotation__index:not([aria-label])")) {
      note.setAttribute("aria-label", `Note ${note.firstElementChild?.dataset.mdAnnotationId ?? ""}`);
    }
  }
  new MutationObserver(name).observe(document.body, { childList: true, subtree: true });
  name();
})();
