"""Pages of the browser that record errors."""

from playwright.sync_api import Error

# After a page has loaded, its deferred scripts have run; their changes are drawn in the next frame.
SETTLED = "() => new Promise((done) => requestAnimationFrame(() => requestIdleCallback(done)))"


def open_tab(context, address):
    """A page of *context* that lists errors in `wrong`: those of scripts, and requests to other hosts."""
    opened = context.new_page()
    opened.wrong = []
    opened.on("pageerror", lambda error: opened.wrong.append(str(error)))
    opened.on("console", lambda message: opened.wrong.append(message.text) if message.type == "error" else None)
    foreign = opened.wrong.append
    opened.on("request", lambda request: request.url.startswith((address, "data:")) or foreign(request.url))
    go = opened.goto

    def goto(path):
        # Chromium aborts what it is loading when a network appears or disappears, such as those of Docker.
        for _ in range(10):
            opened.wrong.clear()
            try:
                go(path)
            except Error as error:
                opened.wrong.append(error.message)
            opened.wait_for_load_state("networkidle")  # the theme mounts its annotations meanwhile, without an event
            opened.evaluate(SETTLED)
            if not any("ERR_NETWORK_CHANGED" in each for each in opened.wrong):
                return

    opened.goto = goto
    return opened
