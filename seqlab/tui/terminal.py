"""The terminal that the lab is drawn on, which may be slow, stuck, or vanish at any moment.

Textual writes from a thread of its own, fed by a queue of bounded length. A write to a terminal that is gone
fails; the thread would die of it, the queue fill up, and the next to write, be it only to say goodbye, wait
for ever. So writes to a vanished terminal are dropped here instead. And a terminal that does not keep up is
not sent more: once it has taken what it was sent it gets the way to the newest picture (see `wire`).

Textual's own reading of keys turns round and round at the end of a file, and ends the program on bytes that
are not UTF-8, such as the old mouse reports that a terminal sends when it has forgotten what was asked of it
(after tmux was attached again, say). So keys are read here: a terminal that is gone hangs the lab up.

And Textual hands a key to where the focus is when the app hears of it, which may be before the key ahead of
it has moved the focus, or has been obeyed at all. Of keys that come in a burst, as over a slow link, each
waits here until the one ahead has gone all its way.
"""

from __future__ import annotations

import asyncio
import os
import selectors
import signal
from codecs import getincrementaldecoder
from collections.abc import Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from textual import events
from textual._parser import ParseError
from textual._xterm_parser import XTermParser
from textual.app import ScreenStackError
from textual.drivers.linux_driver import LinuxDriver
from textual.message_pump import MessagePump

from seqlab.tui.palette import charset_of
from seqlab.tui.wire import Wire

if TYPE_CHECKING:
    from textual.app import App
    from textual.message import Message

BACKLOG = 1
"""Writes that may wait for the terminal; beyond that it does not keep up."""
AGAIN = 0.03
"""Seconds until a terminal that does not keep up is looked at again."""
PATIENCE = 0.5
"""Seconds that a key waits at most at each station of the one ahead."""
_READ = 4096
_LOOK = 0.1
"""Seconds between two looks whether reading should end, and whether an escape was a key of its own."""


class Terminal(LinuxDriver):
    """Textual's driver, made to outlive its terminal and to spare its line."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._file: Any = Vanishing(self._file)
        self._wire = Wire()
        self._waits = self._leaving = self._pressed = False

    @property
    def keeps_up(self) -> bool:
        """Whether the terminal takes what is written to it. Thirty waiting writes would block the lab."""
        return self._writer_thread is None or self._writer_thread._queue.qsize() <= BACKLOG

    def write(self, data: str) -> None:
        """Show what Textual would have shown, as soon as the terminal can take it."""
        size = self._app.size
        self._wire.plain = charset_of(self._app) == "ascii"
        if size != self._wire.size:
            self._wire.resize(*size)
        self._wire.take(data)
        self._send()

    def repaint(self) -> None:
        """Whatever the terminal shows: send everything."""
        self._wire.forget()
        self._send()

    def start_application_mode(self) -> None:
        """Take the terminal, at the beginning and after it was given back for a while."""
        self._leaving = False
        super().start_application_mode()  # type: ignore[no-untyped-call]

    def stop_application_mode(self) -> None:
        """Give the terminal back, whether it keeps up or not."""
        self._leaving = True
        super().stop_application_mode()

    def run_input_thread(self) -> None:
        """Read keys until the lab is left; hang up when there is nobody to press them any more."""
        parser = XTermParser(self._debug)
        decode = getincrementaldecoder("utf-8")(errors="replace").decode
        with selectors.DefaultSelector() as selector:
            selector.register(self.fileno, selectors.EVENT_READ)
            while not self.exit_event.is_set():
                if selector.select(_LOOK):
                    try:
                        data = os.read(self.fileno, _READ)
                    except OSError:
                        data = b""
                    if not data:
                        os.kill(os.getpid(), signal.SIGHUP)
                        return
                    self._hand_on(parser.feed(decode(data)))
                self._hand_on(parser.tick())
        with suppress(EOFError, ParseError):
            list(parser.feed(""))

    def _hand_on(self, messages: Iterable[Message]) -> None:
        for message in messages:
            if self._pressed:
                ahead = asyncio.run_coroutine_threadsafe(_settled(self._app), self._loop)
                while not self.exit_event.is_set():  # who leaves the lab waits for this thread
                    with suppress(TimeoutError):
                        ahead.result(_LOOK)
                        break
            self._pressed = isinstance(message, events.Key)
            self.process_message(message)

    def _send(self) -> None:
        if not (self.keeps_up or self._leaving):
            if not self._waits:
                self._waits = True
                self._loop.call_later(AGAIN, self._send_again)
            return
        data = self._wire.difference()
        if data and self._writer_thread is not None:
            self._writer_thread.write(data)

    def _send_again(self) -> None:
        self._waits = False
        self._send()


async def _settled(app: App[Any]) -> None:
    """Wait until a key has gone all its way: by the app to where the focus is, and up again to the app."""
    await _emptied(app)
    with suppress(ScreenStackError):  # the lab is being left
        for node in (app.focused or app.screen).ancestors_with_self:
            if isinstance(node, MessagePump):
                await _emptied(node)


async def _emptied(pump: MessagePump) -> None:
    """Wait until a part of the lab has dealt with all that it was told so far."""
    done = asyncio.Event()
    if pump.call_later(done.set):
        with suppress(TimeoutError):
            await asyncio.wait_for(done.wait(), PATIENCE)


class Vanishing:
    """A text file whose writes may come to nothing."""

    def __init__(self, file: Any) -> None:
        self._file = file

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def write(self, text: str) -> None:
        """Write, if there is anything to write to."""
        with suppress(OSError, ValueError):  # gone, or closed
            self._file.write(text)

    def flush(self) -> None:
        """Send what was written."""
        with suppress(OSError, ValueError):
            self._file.flush()
