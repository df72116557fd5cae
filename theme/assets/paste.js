// The error that a reader pastes on the home page goes to the search box, which has one line; without this script the form
// sends the text to the same page.
(() => {
  const form = document.querySelector(".paste");
  const search = document.querySelector(".md-search__input");
  form?.addEventListener("submit", (event) => {
    event.preventDefault();
    search.value = new FormData(form).get("q").replace(/\s+/g, " ").trim();
    document.querySelector("[data-md-toggle=search]:not(:checked)")?.click();
    search.focus(); // at which the search begins
  });
})();
