"""Pages of the browser that note what goes wrong on them."""

from playwright.sync_api import Error

# Once a page has loaded, its scripts, which are deferred, have run, and what they change is drawn in the next frame.
SETTLED = "() => new Promise((done) => requestAnimationFrame(() => requestIdleCallback(done)))"


def open_tab(context, address):
    """A page of *context* that notes in `wrong` what goes wrong: errors of scripts, and requests to anyone else."""
    opened = context.new_page()
    opened.wrong = []
    opened.on("pageerror", lambda error: opened.wrong.append(str(error)))
    opened.on("console", lambda message: opened.wrong.append(message.text) if message.type == "error" else None)
    foreign = opened.wrong.append
    opened.on("request", lambda request: request.url.startswith((address, "data:")) or foreign(request.url))
    go = opened.goto

    def goto(path):
        # Chromium drops what it is loading whenever a network comes or goes, as those of your own Docker do.
        for _ in range(10):
            opened.wrong.clear()
            try:
                go(path)
            except Error as error:
                opened.wrong.append(error.message)
            opened.wait_for_load_state("networkidle")  # the theme mounts its annotations meanwhile, and says it nowhere
            opened.evaluate(SETTLED)
            if not any("ERR_NETWORK_CHANGED" in each for each in opened.wrong):
                return

    opened.goto = goto
    return opened
