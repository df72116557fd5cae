// The error that a reader pastes on the home page goes to the search box. Of a traceback the last line says what went wrong;
// without this script the form asks the same page with the whole text.
(() => {
  const form = document.querySelector(".paste");
  const search = document.querySelector(".md-search__input");
  form?.addEventListener("submit", (event) => {
    event.preventDefault();
    const lines = new FormData(form).get("q").split("\n");
    search.value = lines.findLast((line) => line.trim()).trim();
    document.querySelector("[data-md-toggle=search]:not(:checked)")?.click();
    search.focus(); // at which the search begins
  });
})();
