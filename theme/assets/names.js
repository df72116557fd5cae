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
      note.removeAttribute("tabindex"); // it was -1: out of the keyboard's reach
    }
  }
  // A label that opens something for the pointer becomes a button, which the keyboard reaches too.
  for (const [toggle, name] of [["__drawer", ".md-nav--primary"], ["__search", ".md-search"]]) {
    const label = document.querySelector(`.md-header__button[for=${toggle}]`);
    if (!label) continue;
    const button = document.createElement("button");
    button.type = "button";
    button.className = label.className;
    button.setAttribute("for", toggle); // Material's styles know it by that
    button.setAttribute("aria-label", document.querySelector(name).getAttribute("aria-label"));
    button.append(...label.childNodes);
    button.addEventListener("click", () => document.getElementById(toggle).click());
    label.replaceWith(button);
  }

  const target = document.getElementById(location.hash.slice(1));
  if (target?.name?.startsWith("__tabbed_")) target.checked = true;

  new MutationObserver(name).observe(document.body, { childList: true, subtree: true });
  name();
})();
