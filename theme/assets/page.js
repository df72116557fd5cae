// What surrounds a page: its other language, in the same place of it; the reader's language, offered once; its Markdown.
(() => {
  const HERE = document.documentElement.lang;
  const CHOICE = "language"; // in the reader's own storage: they chose a language, or to be asked no more
  const links = [...document.querySelectorAll(".language-switch")];

  // The switch keeps the place: ids are the same in both languages, but for the title's, which is the top.
  function place() {
    const marks = document.querySelectorAll("article :is(h2, h3, h4)[id], article [open] > ol > li[id]");
    const top = document.querySelector(".md-header").getBoundingClientRect().bottom + 32;
    const isEnd = scrollY + innerHeight >= document.documentElement.scrollHeight - 1; // where short sections stay below the top
    const limit = (mark) => (isEnd && mark.matches("h2, h3, h4") ? innerHeight : top);
    const passed = [...marks].filter((mark) => mark.getBoundingClientRect().top < limit(mark));
    return scrollY > 0 && passed.length ? `#${passed.at(-1).id}` : "";
  }
  for (const link of links) {
    for (const event of ["pointerdown", "click", "contextmenu"]) link.addEventListener(event, () => (link.hash = place()));
    link.addEventListener("click", () => remember(link.hreflang));
  }

  function remember(choice) {
    try {
      localStorage.setItem(CHOICE, choice);
    } catch {} // storage is off: they may be asked again
  }
  function remembered() {
    try {
      return localStorage.getItem(CHOICE);
    } catch {
      return "";
    }
  }

  // Who prefers the other language is told that it exists, in that language.
  function offer() {
    const preferred = navigator.languages.map((language) => language.split("-")[0]);
    const known = preferred.find((language) => language === HERE || links.some((link) => link.hreflang === language));
    const link = links.find(({ hreflang }) => hreflang === known);
    if (!link || remembered()) return;
    const line = document.createElement("aside");
    line.className = "language-offer";
    line.lang = link.lang;
    line.setAttribute("aria-label", link.textContent);
    const other = link.cloneNode();
    other.className = "";
    other.textContent = link.title;
    other.title = "";
    other.addEventListener("click", () => link.dispatchEvent(new Event("pointerdown")) && (other.hash = link.hash));
    const close = document.createElement("button");
    close.type = "button";
    close.textContent = link.dataset.decline;
    for (const button of [other, close]) {
      button.addEventListener("click", () => {
        remember(button === close ? HERE : link.hreflang);
        line.remove();
      });
    }
    line.append(other, close);
    document.querySelector(".md-content").prepend(line); // above the page; a wide window shows it in a corner
  }
  offer();

  // The page as Markdown, asked for when it is wanted. Without a clipboard the link is a link: it shows the Markdown.
  const copy = document.querySelector(".copy-page");
  copy?.addEventListener("click", async (event) => {
    event.preventDefault();
    const says = copy.nextElementSibling;
    try {
      const page = fetch(copy.href).then((answer) => (answer.ok ? answer.text() : Promise.reject(answer.status)));
      const text = page.then((markdown) => new Blob([markdown], { type: "text/plain" }));
      await navigator.clipboard.write([new ClipboardItem({ "text/plain": text })]);
      says.textContent = says.dataset.done;
      setTimeout(() => (says.textContent = ""), 3000);
    } catch {
      location.assign(copy.href);
    }
  });
})();
